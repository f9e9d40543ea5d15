package config

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

const variablePrefix = "TONGBAO_"

// ConfigVariable names the configuration file where the command line does not.
const ConfigVariable = variablePrefix + "CONFIG"

// serviceLink matches the variables that Kubernetes puts into every pod beside a service named tongbao or tongbao-...
// (Kubernetes, Service: environment variables).
var serviceLink = regexp.MustCompile(`^TONGBAO_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// variables puts what the environment gives over what the file gives. An empty variable gives nothing.
func (r *reader) variables(environ []string, fields []field[Config]) {
	keys := map[string]field[Config]{}
	names := []string{ConfigVariable}
	for _, f := range fields {
		keys[variable(f.key)] = f
		names = append(names, variable(f.key))
	}
	ours := slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return !strings.HasPrefix(e, variablePrefix) })
	slices.SortFunc(ours, cmp.Compare)
	for _, e := range ours {
		name, text, _ := strings.Cut(e, "=")
		f, known := keys[name]
		switch {
		case known && text != "":
			r.giveVariable(name, text, f, fields)
		case !known && name != ConfigVariable && !serviceLink.MatchString(name):
			r.problem(name, "", unknown("variable", name, names))
		}
	}
}

// giveVariable lets a variable replace its setting, in both the forms in which the file may give it.
func (r *reader) giveVariable(name, text string, f field[Config], fields []field[Config]) {
	for _, other := range fields {
		twins := other.insteadOf == f.key || f.insteadOf == other.key
		if twins && !strings.HasPrefix(r.given[other.key].source, variablePrefix) {
			delete(r.given, other.key)
		}
	}
	r.given[f.key] = given{node: plain(text), source: name}
}
