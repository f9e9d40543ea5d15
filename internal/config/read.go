package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configFileMax bounds a configuration file, in bytes.
const configFileMax = 1 << 20

// Load reads the configuration file at path, or none where path is empty, and the TONGBAO_* variables of environ
// (each "NAME=value") over it. Relative paths in the file are below the file's folder, those in variables below the
// working directory. Key files are read here. The error is an [*Error] with everything that is wrong.
func Load(path string, environ []string) (Config, error) {
	r := &reader{file: path, folder: folderOf(path), given: map[string]given{}}
	var c Config
	top := configFields()
	root := r.open()
	items := r.lists(root, "apps", "accounts")
	r.flatten(root, "", keysOf(top), "apps", "accounts")
	r.variables(environ, top)
	fill(r, "", top, &c)
	for i, item := range items["apps"] {
		c.Apps = append(c.Apps, entry(r, item, fmt.Sprintf("apps[%d].", i), appFields()))
	}
	for i, item := range items["accounts"] {
		prefix := fmt.Sprintf("accounts[%d].", i)
		a := entry(r, item, prefix, accountFields())
		r.checkAccount(prefix, &a)
		c.Accounts = append(c.Accounts, a)
	}
	r.check(&c)
	if err := r.err(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// LoadAccount reads one account from a file of its own, with the settings of an entry under accounts. The error is an
// [*Error] with everything that is wrong.
func LoadAccount(path string) (Account, error) {
	r := &reader{file: path, folder: folderOf(path), given: map[string]given{}}
	root := r.open()
	if root == nil {
		if len(r.problems) == 0 {
			r.problem(path, "", "is empty; describe one account, as under accounts in docs/configuration.md")
		}
		return Account{}, r.err()
	}
	a := entry(r, root, "", accountFields())
	r.checkAccount("", &a)
	if err := r.err(); err != nil {
		return Account{}, err
	}
	return a, nil
}

func folderOf(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Dir(path)
}

// reader collects what is given, and what is wrong with it.
type reader struct {
	file, folder string
	given        map[string]given // by key
	problems     []Problem
}

// given is what was written for one setting.
type given struct {
	node   *yaml.Node
	source string // for people
	folder string // what relative paths are below
}

func (r *reader) has(key string) bool {
	_, ok := r.given[key]
	return ok
}

func (r *reader) problem(source, key, text string) {
	r.problems = append(r.problems, Problem{Source: source, Key: key, Text: text})
}

// miss is a problem of something absent, or of settings that do not fit together. Its place is the setting's, or that
// of the entry it is missing from.
func (r *reader) miss(key, text string) {
	g, ok := r.given[key]
	if !ok {
		list, _, _ := strings.Cut(key, ".")
		g = r.given[list]
	}
	r.problem(g.source, key, text)
}

func (r *reader) line(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d", r.file, n.Line)
}

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &Error{Problems: r.problems}
}

// open returns the file's mapping, nil where there is none to read.
func (r *reader) open() *yaml.Node {
	if r.file == "" {
		return nil
	}
	text, err := readFile(r.file, configFileMax)
	if err != nil {
		r.problem("", "", err.Error())
		return nil
	}
	return r.parse([]byte(text))
}

func (r *reader) parse(text []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if !errors.Is(err, io.EOF) { // a file of comments alone is an empty one
			r.problem(r.file, "", notYAML(err))
		}
		return nil
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		r.problem(r.file, "", "has more than one document; keep one, without lines of ---")
		return nil
	}
	root := document.Content[0]
	if empty(root) {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		r.problem(r.file, "", "must be settings, one `name: value` a line; see docs/tongbao.example.yaml")
		return nil
	}
	if n := alias(root); n != nil {
		r.problem(r.line(n), "", "anchors and aliases (& and *) are not understood: write the value out, or put a text that begins with one of them in quotes")
		return nil
	}
	return root
}

var yamlLine = regexp.MustCompile(`line \d+`)

// notYAML keeps the line of a parser's error and not the text it may quote, which can be a secret.
func notYAML(err error) string {
	place := yamlLine.FindString(err.Error())
	if place == "" {
		place = "some line"
	}
	return place + " is not valid YAML; check its indentation, and put text with special characters such as * & # : in quotes"
}

func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func alias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, child := range n.Content {
		if found := alias(child); found != nil {
			return found
		}
	}
	return nil
}

// lists takes the entries of the named lists.
func (r *reader) lists(root *yaml.Node, names ...string) map[string][]*yaml.Node {
	items := map[string][]*yaml.Node{}
	if root == nil {
		return items
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, n := root.Content[i].Value, root.Content[i+1]
		if !slices.Contains(names, name) || empty(n) {
			continue
		}
		if n.Kind != yaml.SequenceNode {
			r.problem(r.line(n), name, "must be a list: each entry begins with `- id: ...`")
			continue
		}
		items[name] = n.Content
	}
	return items
}

// flatten takes what a mapping gives for the known keys. others are names that somebody else reads.
func (r *reader) flatten(n *yaml.Node, prefix string, known []string, others ...string) {
	if n == nil {
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, child := n.Content[i].Value, n.Content[i+1]
		key := prefix + name
		group := slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, name+".") })
		switch {
		case seen[name]:
			r.problem(r.line(n.Content[i]), key, "is given twice; keep one")
		case slices.Contains(others, name), empty(child) && (group || slices.Contains(known, name)):
		case group && child.Kind == yaml.MappingNode:
			r.flatten(child, key+".", below(known, name))
		case group:
			r.problem(r.line(child), key, "must be a group of: "+strings.Join(below(known, name), ", "))
		case strings.Contains(name, "."):
			r.problem(r.line(n.Content[i]), key, "is written as a group: the part before the dot on its own line, the rest indented below it")
		case slices.Contains(known, name):
			r.given[key] = given{child, r.line(child), r.folder}
		default:
			r.problem(r.line(n.Content[i]), key, unknown("setting", name, append(slices.Clone(known), others...)))
		}
		seen[name] = true
	}
}

// below are the keys of a group, without its name.
func below(known []string, group string) []string {
	var keys []string
	for _, k := range known {
		if rest, ok := strings.CutPrefix(k, group+"."); ok {
			keys = append(keys, rest)
		}
	}
	return keys
}

func unknown(what, name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("there is no such %s; did you mean %s?", what, near)
	}
	return fmt.Sprintf("there is no such %s; see docs/configuration.md for those there are", what)
}

func keysOf[T any](fields []field[T]) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// entry reads one entry of a list.
func entry[T any](r *reader, n *yaml.Node, prefix string, fields []field[T]) T {
	var item T
	if n.Kind != yaml.MappingNode {
		r.problem(r.line(n), strings.TrimSuffix(prefix, "."), "must be settings, `name: value`, and begin with id")
		return item
	}
	r.given[strings.TrimSuffix(prefix, ".")] = given{source: r.line(n)}
	r.flatten(n, prefix, keysOf(fields))
	fill(r, prefix, fields, &item)
	return item
}

// fill reads what is given, or the fallbacks, into a T.
func fill[T any](r *reader, prefix string, fields []field[T], into *T) {
	for _, f := range fields {
		key := prefix + f.key
		if f.insteadOf != "" && r.has(key) && r.has(prefix+f.insteadOf) {
			r.miss(key, fmt.Sprintf("is given together with %s; keep one of the two", f.insteadOf))
			continue
		}
		g, ok := r.given[key]
		if !ok && f.fallback != "" {
			g, ok = given{node: fallbackNode(f.fallback), source: "default", folder: r.folder}, true
		}
		if !ok {
			twin := func(other field[T]) bool { return other.insteadOf == f.key && r.has(prefix+other.key) }
			if f.required && !slices.ContainsFunc(fields, twin) {
				r.miss(key, "is required: "+f.doc)
			}
			continue
		}
		if err := f.at(into).read(g.node, g.folder); err != nil {
			for text := range strings.Lines(err.Error()) {
				r.problem(g.source, key, strings.TrimSuffix(text, "\n"))
			}
		}
	}
}

func fallbackNode(text string) *yaml.Node {
	if text == "[]" {
		return &yaml.Node{Kind: yaml.SequenceNode}
	}
	return plain(text)
}
