// Package mutants_test breaks each mechanism on purpose and sees that a test notices. A mechanism that can be taken out
// without a red test is guarded by nobody.
package mutants_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mutant is one deliberate break of one mechanism.
type mutant struct {
	name     string // what the broken gateway does
	file     string // from the module's root
	old, new string // old is in the file exactly once
	pkg, run string // the test that must go red, and its package
}

var mutate = flag.Bool("mutate", false, "break the mechanisms and run their tests")

const root = "../.."

// eachTakes bounds the tests of one mutant. A test that hangs has noticed, too.
const eachTakes = "4m"

func TestEachMutantFitsItsFile(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, m := range mutants {
		if m.name == "" || names[m.name] || m.old == m.new || m.run == "" {
			t.Errorf("mutant %q: want a name of its own, a change and a test", m.name)
		}
		names[m.name] = true
		if _, err := m.text(); err != nil {
			t.Errorf("%s: %v; the code has moved on: break it as it is now", m.name, err)
		}
	}
}

func TestEachMutantIsNoticed(t *testing.T) {
	if !*mutate {
		t.Log("this takes minutes: make mutants")
		return
	}
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			began := time.Now()
			output, err := m.test(t.Context(), t.TempDir())
			switch {
			case err == nil:
				t.Errorf("SURVIVED: %s with %s: %s passes", m.file, m.name, m.run)
			case strings.Contains(output, "[build failed]"), strings.Contains(output, "[setup failed]"), !strings.Contains(output, "FAIL"):
				t.Errorf("the mutant does not run: %v\n%s", err, output)
			default:
				t.Logf("noticed in %s", time.Since(began).Round(time.Second))
			}
		})
	}
}

// text is the file with the break in it.
func (m mutant) text() (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	if strings.Count(string(text), m.old) != 1 {
		return "", errors.New("the text to replace is not in " + m.file + " exactly once")
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// test runs the mutant's test with the broken file laid over the sound one, which nobody touches.
func (m mutant) test(ctx context.Context, dir string) (output string, err error) {
	text, err := m.text()
	if err != nil {
		return "", err
	}
	sound, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	broken, overlay := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {sound: broken}})
	if err == nil {
		err = errors.Join(os.WriteFile(broken, []byte(text), 0o600), os.WriteFile(overlay, replace, 0o600))
	}
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-failfast", "-timeout", eachTakes, "-run", m.run, m.pkg)
	command.Env = append(os.Environ(), "RAPID_NOFAILFILE=true") // a drawn case that fails is of the mutant, not for keeping
	command.Dir = root
	printed, err := command.CombinedOutput()
	return string(printed), err
}
