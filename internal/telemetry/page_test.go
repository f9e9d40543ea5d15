package telemetry_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"github.com/tongbao-pay/tongbao/internal/telemetry"
)

//go:generate go test -run ^TestThePageOfMetricsIsFresh$ -update .

var update = flag.Bool("update", false, "write the page of the metrics anew")

const page = "../../docs/metrics.md"

func TestThePageOfMetricsIsFresh(t *testing.T) {
	t.Parallel()
	want := pageText(registered(t))
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/metrics.md is not what is registered (%v); run 'go generate ./internal/telemetry'", err)
	}
}

func TestEveryMetricHasItsRowAndEveryRowItsMetric(t *testing.T) {
	t.Parallel()
	metrics := registered(t)
	rows := map[string]int{}
	for _, g := range pageGroups {
		for _, r := range g.rows {
			rows[r.metric]++
			if _, ok := metrics[r.metric]; !ok {
				t.Errorf("the row %s is of no metric; delete it in page_rows_test.go", r.metric)
			}
		}
	}
	for name := range metrics {
		if rows[name] != 1 {
			t.Errorf("%s has %d rows in page_rows_test.go, want 1", name, rows[name])
		}
	}
}

var (
	ourName  = regexp.MustCompile(`\btongbao_\w+`)
	matcher  = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"([^"]*)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	word     = regexp.MustCompile(`\w+`)
)

// An alert on a name, a label or a value that is none keeps silent for ever.
func TestAlertsNameWhatThereIs(t *testing.T) {
	t.Parallel()
	metrics := registered(t)
	for _, a := range pageAlerts {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			names := ourName.FindAllString(a.expr, -1)
			if len(names) != 1 {
				t.Fatalf("%s names the metrics %q, and this test can only tell the labels of one", a.expr, names)
			}
			m, ok := metrics[names[0]]
			if !ok {
				t.Fatalf("there is no metric %s", names[0])
			}
			var labels []string
			for _, match := range matcher.FindAllStringSubmatch(a.expr, -1) {
				labels = append(labels, match[1])
				for value := range strings.SplitSeq(match[2], "|") {
					if !slices.Contains(word.FindAllString(m.help, -1), value) {
						t.Errorf("the help of %s does not name %s %s", names[0], match[1], value)
					}
				}
			}
			for _, match := range grouping.FindAllStringSubmatch(a.expr, -1) {
				labels = append(labels, strings.Split(match[1], ", ")...)
			}
			for _, label := range labels {
				if !slices.Contains(m.labels, label) {
					t.Errorf("%s has no label %s", names[0], label)
				}
			}
		})
	}
}

func TestTheAlertsOfThePageAreRulesOfPrometheus(t *testing.T) {
	t.Parallel()
	_, rules, _ := strings.Cut(string(pageText(registered(t))), "```yaml\n")
	rules, _, closed := strings.Cut(rules, "```\n")
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr string
				For         time.Duration
				Annotations map[string]string
			}
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(rules))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil || !closed || len(file.Groups) != 1 || len(file.Groups[0].Rules) != len(pageAlerts) {
		t.Fatalf("%v: %v in\n%s", err, file, rules)
	}
	for i, r := range file.Groups[0].Rules {
		if a := pageAlerts[i]; r.Alert != a.name || r.Expr != a.expr || r.For != a.holds || r.Annotations["summary"] != a.summary {
			t.Errorf("the rule reads as %+v, want %+v", r, a)
		}
	}
}

// described is a metric of ours as it is registered.
type described struct {
	kind, help string
	labels     []string
}

// registered are the metrics of ours in the registry of a gateway that has all of its parts. What is registered has to have
// a value too: only then are its kind and its labels told.
func registered(t *testing.T) map[string]described {
	t.Helper()
	config := everySource(func() time.Time { return noon })
	for field, value := range reflect.ValueOf(config).Fields() {
		if field.Type.Kind() == reflect.Func && value.IsNil() {
			t.Fatalf("metrics without %s are not on the page; give it to everySource", field.Name)
		}
	}
	m := telemetry.NewMetrics(config)
	happen(m)
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string]described{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "tongbao_") {
			continue
		}
		d := described{kind: strings.ToLower(f.GetType().String()), help: f.GetHelp()}
		for _, label := range f.GetMetric()[0].GetLabel() {
			d.labels = append(d.labels, label.GetName())
		}
		metrics[f.GetName()] = d
	}
	for _, name := range registeredNames(m) {
		if _, ok := metrics[name]; !ok {
			t.Fatalf("%s is registered and has no value here; let happen give it one", name)
		}
	}
	return metrics
}

var descriptor = regexp.MustCompile(`fqName: "(tongbao_\w+)"`)

// registeredNames asks for descriptors, which metrics without a value have too.
func registeredNames(m *telemetry.Metrics) []string {
	descriptors := make(chan *prometheus.Desc)
	go func() {
		m.Registry().Describe(descriptors)
		close(descriptors)
	}()
	var names []string
	for d := range descriptors {
		if name := descriptor.FindStringSubmatch(d.String()); name != nil {
			names = append(names, name[1])
		}
	}
	return names
}

func pageText(metrics map[string]described) []byte {
	var b bytes.Buffer
	b.WriteString(pageHead)
	for _, g := range pageGroups {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | labels | what it is | when to worry |\n| --- | --- | --- | --- | --- |\n", g.title)
		for _, r := range g.rows {
			m := metrics[r.metric]
			labels := "none"
			if len(m.labels) > 0 {
				labels = "`" + strings.Join(m.labels, "`, `") + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.metric, m.kind, labels, m.help, r.worry)
		}
	}
	b.WriteString(pageAlertsHead)
	for _, a := range pageAlerts {
		fmt.Fprintf(&b, "      - alert: %s\n        expr: %s\n        for: %.0fm\n        annotations:\n          summary: %s\n", a.name, a.expr, a.holds.Minutes(), a.summary)
	}
	b.WriteString("```\n")
	return b.Bytes()
}
