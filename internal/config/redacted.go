package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Redacted is the configuration in effect, defaults included, as YAML without its secrets.
func (c Config) Redacted() string {
	root := mapping(configFields(), &c)
	for _, list := range []struct {
		key     string
		entries []*yaml.Node
	}{
		{"apps", mappings(appFields(), c.Apps)},
		{"accounts", mappings(accountFields(), c.Accounts)},
	} {
		if len(list.entries) > 0 {
			root.Content = append(root.Content, plain(list.key), &yaml.Node{Kind: yaml.SequenceNode, Content: list.entries})
		}
	}
	var b strings.Builder
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(root); err != nil {
		return fmt.Sprintf("# cannot be shown: %v\n", err) // unreachable: a tree of texts
	}
	return b.String()
}

func mappings[T any](fields []field[T], items []T) []*yaml.Node {
	nodes := make([]*yaml.Node, len(items))
	for i := range items {
		nodes[i] = mapping(fields, &items[i])
	}
	return nodes
}

// mapping shows a T, settings with a dot in their group. The fields of a group follow each other in the table.
func mapping[T any](fields []field[T], item *T) *yaml.Node {
	root := &yaml.Node{Kind: yaml.MappingNode}
	var group *yaml.Node
	var groupName string
	for _, f := range fields {
		n := f.at(item).show()
		if n == nil {
			continue
		}
		name, inner, nested := strings.Cut(f.key, ".")
		if !nested {
			root.Content = append(root.Content, plain(f.key), n)
			continue
		}
		if name != groupName {
			group, groupName = &yaml.Node{Kind: yaml.MappingNode}, name
			root.Content = append(root.Content, plain(name), group)
		}
		group.Content = append(group.Content, plain(inner), n)
	}
	return root
}
