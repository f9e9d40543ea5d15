package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/tongbao-pay/tongbao/internal/secret"
)

// secretValue shows nothing of what it holds.
type secretValue struct {
	at   *secret.String
	how  string
	file *string // where it was read from, if from a file: then that is shown
	// accept may refuse a text; its error must not quote it.
	accept func(string) error
}

func (v secretValue) form() string { return v.how }

func (v secretValue) show() *yaml.Node {
	if v.at.IsZero() || *v.file != "" {
		return nil
	}
	return shown(v.at.String())
}

func (v secretValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	if v.accept != nil {
		if err := v.accept(text); err != nil {
			return err
		}
	}
	*v.at = secret.NewString(text)
	return nil
}

type databaseValue struct {
	at   *Database
	file *string
}

func (v databaseValue) form() string { return "`sqlite:PATH` or `postgres://...`" }

func (v databaseValue) show() *yaml.Node {
	if *v.file != "" {
		return nil
	}
	return shown(v.at.String())
}

func (v databaseValue) read(n *yaml.Node, folder string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	*v.at, err = parseDatabase(text, folder)
	return err
}

type pathValue struct{ at *string }

func (v pathValue) form() string     { return "path" }
func (v pathValue) show() *yaml.Node { return shown(*v.at) }

func (v pathValue) read(n *yaml.Node, folder string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	if text == "" {
		return errors.New("must be a path")
	}
	*v.at = under(folder, text)
	return nil
}

// fileValue reads another value from a file.
type fileValue struct {
	at *string
	of value
}

func (v fileValue) form() string     { return "path" }
func (v fileValue) show() *yaml.Node { return shown(*v.at) }

// keyFileMax bounds what is read from a file that should hold one key.
const keyFileMax = 64 << 10

func (v fileValue) read(n *yaml.Node, folder string) error {
	if err := (pathValue{v.at}).read(n, folder); err != nil {
		return err
	}
	text, err := readFile(*v.at, keyFileMax)
	if err != nil {
		return err
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return fmt.Errorf("the file %s is empty", *v.at)
	}
	if err := v.of.read(shown(text), folder); err != nil {
		return fmt.Errorf("the content of %s: %w", *v.at, err)
	}
	return nil
}

func readFile(path string, most int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w; give the path of a file that this program may read", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w; give the path of a file", err)
	case int64(len(text)) > most:
		return "", fmt.Errorf("the file %s has more than %d bytes; is it the right one?", path, most)
	}
	return string(text), nil
}
