package record_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tongbao-pay/tongbao/sandbox/record"
)

func reopen(t *testing.T, path string) (*record.Log, []string) {
	t.Helper()
	log, records, err := record.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	var got []string
	for _, r := range records {
		got = append(got, r.Kind+" "+r.ID+" "+string(r.Value))
	}
	return log, got
}

func put(t *testing.T, log *record.Log, kind, id string, value any) {
	t.Helper()
	if err := log.Put(kind, id, value); err != nil {
		t.Fatal(err)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()

	t.Run("TheNewestLineOfARecordWins", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "state")
		log, got := reopen(t, path)
		if got != nil {
			t.Fatalf("a new log holds %v", got)
		}
		put(t, log, "order", "1", "new")
		put(t, log, "order", "2", "new")
		put(t, log, "order", "1", "paid")
		put(t, log, "refund", "1", 5)
		log.Close()
		for range 2 { // the second time from the compacted file
			log, got = reopen(t, path)
			if want := []string{`order 1 "paid"`, `order 2 "new"`, `refund 1 5`}; !slices.Equal(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			log.Close()
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines != 3 {
			t.Fatalf("the compacted file has %d lines", lines)
		}
	})

	t.Run("ATornLastLineIsDropped", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "state")
		log, _ := reopen(t, path)
		put(t, log, "order", "1", 1)
		log.Close()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range text {
			torn := append(append([]byte(nil), text...), text[:cut]...)
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			log, got := reopen(t, path)
			log.Close()
			if len(got) != 1 {
				t.Fatalf("cut at %d: %v", cut, got)
			}
		}
	})

	t.Run("AnyOtherDamageIsAnError", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"nonsense\n", "{}\n", "{\"kind\":\"a\"}\n\n{\"kind\":\"b\"}\n"} {
			path := filepath.Join(t.TempDir(), "state")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := record.Open(path); err == nil || !strings.Contains(err.Error(), "line") {
				t.Fatalf("%q: %v", text, err)
			}
			if left, _ := os.ReadFile(path); string(left) != text {
				t.Fatal("the damaged file was changed")
			}
		}
	})

	t.Run("ClearForgetsEverything", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "state")
		log, _ := reopen(t, path)
		put(t, log, "order", "1", 1)
		if err := log.Clear(); err != nil {
			t.Fatal(err)
		}
		put(t, log, "order", "2", 2)
		log.Close()
		if _, got := reopen(t, path); !slices.Equal(got, []string{"order 2 2"}) {
			t.Fatalf("%v", got)
		}
	})

	t.Run("WithoutAFileNothingIsKept", func(t *testing.T) {
		t.Parallel()
		var log *record.Log
		put(t, log, "order", "1", 1)
		if log.Clear() != nil || log.Close() != nil {
			t.Fatal("an error")
		}
	})
}

func FuzzOpenNeverInventsRecords(f *testing.F) {
	f.Add([]byte("{\"kind\":\"order\",\"id\":\"1\",\"value\":1}\n"))
	f.Add([]byte("{\"kind\":\"order\",\"id\":\"1\",\"value\":1}\n{\"kind\""))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "state")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		log, first, err := record.Open(path)
		if err != nil {
			return
		}
		log.Close()
		log, second, err := record.Open(path)
		if err != nil {
			t.Fatalf("what was written does not read back: %v", err)
		}
		log.Close()
		if len(first) != len(second) {
			t.Fatalf("%d records became %d", len(first), len(second))
		}
	})
}
