// Package record keeps the sandbox's state in one append-only file of JSON lines.
//
// Every change writes the whole changed record; the newest line of a record wins. There is no fsync: a killed process
// loses nothing, a machine that loses power may lose the last moments, which is enough for test money.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Record is one line: a value under its kind and id.
type Record struct {
	Kind  string          `json:"kind"`
	ID    string          `json:"id"`
	Value json.RawMessage `json:"value"`
}

// Log is safe for concurrent use. The nil *Log keeps nothing, which is what a sandbox in memory wants.
type Log struct {
	mu   sync.Mutex
	file *os.File
}

// Open reads the file, writes it anew with only the newest line of each record, and returns those records in the order
// of their first appearance. A missing file is an empty state. A torn last line, left by a killed process, is dropped;
// any other line that is not a record is an error.
func Open(path string) (*Log, []Record, error) {
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, nil, fmt.Errorf("read the state: %w", err)
	}
	records, err := parse(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w; move the file away to start empty", filepath.Base(path), err)
	}
	if err := rewrite(path, records); err != nil {
		return nil, nil, fmt.Errorf("compact the state: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open the state: %w", err)
	}
	return &Log{file: file}, records, nil
}

func parse(data []byte) ([]Record, error) {
	type key struct{ kind, id string }
	var records []Record
	place := map[key]int{}
	for number := 1; len(data) > 0; number++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data = rest
		if !whole {
			break
		}
		var r Record
		if err := json.Unmarshal(line, &r); err != nil || r.Kind == "" {
			return nil, fmt.Errorf("line %d is not a record", number)
		}
		k := key{r.Kind, r.ID}
		if i, seen := place[k]; seen {
			records[i] = r
			continue
		}
		place[k] = len(records)
		records = append(records, r)
	}
	return records, nil
}

func rewrite(path string, records []Record) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, r := range records {
		if err := encoder.Encode(r); err != nil {
			return err
		}
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, lines.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Batch is records that belong to one change. Its zero value is empty; it is not safe for concurrent use.
type Batch struct {
	lines bytes.Buffer
	err   error
}

// Put adds the record's present value. An error is [Log.Write]'s.
func (b *Batch) Put(kind, id string, value any) {
	encoded, err := json.Marshal(value)
	if err == nil {
		err = json.NewEncoder(&b.lines).Encode(Record{Kind: kind, ID: id, Value: encoded})
	}
	if err != nil {
		b.err = errors.Join(b.err, fmt.Errorf("encode %s: %w", kind, err))
	}
}

// Write appends the records in one piece and empties the batch, also when it fails.
func (l *Log) Write(b *Batch) error {
	lines, err := b.lines.Bytes(), b.err
	b.err = nil
	defer b.lines.Reset()
	if l == nil || len(lines) == 0 {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, failure := l.file.Write(lines); failure != nil {
		return errors.Join(err, fmt.Errorf("write the state: %w", failure))
	}
	return err
}

// Put writes one record's present value.
func (l *Log) Put(kind, id string, value any) error {
	var b Batch
	b.Put(kind, id, value)
	return l.Write(&b)
}

// Clear forgets everything.
func (l *Log) Clear() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.file.Truncate(0); err != nil { // the file is open for appending: the next line is the first
		return fmt.Errorf("clear the state: %w", err)
	}
	return nil
}

// Close closes the file; nothing may be put afterwards.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
