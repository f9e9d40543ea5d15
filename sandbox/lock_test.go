package sandbox_test

import (
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/sandbox"
)

func TestDirectoryBelongsToOneSandboxAtATime(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first, err := sandbox.Open(config(dir))
	if err != nil {
		t.Fatal(err)
	}
	if second, err := sandbox.Open(config(dir)); err == nil {
		t.Errorf("a second sandbox opened: %v", second.Close())
	} else if want := "another sandbox uses " + dir + "; stop it or choose another --dir"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := sandbox.Open(config(dir))
	if err != nil {
		t.Fatalf("after the first was closed: %v", err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
}
