package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tongbao-pay/tongbao/internal/payment"
)

// value is a place in a configuration that a setting is read into and shown from. Errors say what to write instead;
// those of secrets do not quote what was written.
type value interface {
	// form tells people how the value is written.
	form() string
	// read takes what was written; relative paths are below folder.
	read(n *yaml.Node, folder string) error
	// show is the value as it would be written, nil where nothing need be.
	show() *yaml.Node
}

// scalar is one text as it was written, whatever YAML would make of it: 0123 and 5E10 are numbers of merchants too.
func scalar(n *yaml.Node) (string, error) {
	if n.Kind != yaml.ScalarNode {
		return "", errors.New("must be one value, not a list or a group")
	}
	return n.Value, nil
}

func shown(text string) *yaml.Node {
	if text == "" {
		return nil
	}
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

// plain is a value that YAML shows without quotes.
func plain(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// textValue is text.
type textValue struct {
	at     *string
	how    string
	accept func(string) error // nil: anything
	file   *string            // where it was read from, if from a file: then that is shown; nil: never from one
}

func (v textValue) form() string { return v.how }

func (v textValue) show() *yaml.Node {
	if v.file != nil && *v.file != "" {
		return nil
	}
	return shown(*v.at)
}

func (v textValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	if v.accept != nil {
		if err := v.accept(text); err != nil {
			return err
		}
	}
	*v.at = text
	return nil
}

func name(at *string) value {
	return textValue{at: at, how: "1 to 32 of a-z, 0-9, - and _", accept: func(text string) error {
		ok := len(text) >= 1 && len(text) <= 32 && text[0] != '-' && text[0] != '_' &&
			strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
		if !ok {
			return fmt.Errorf("%q is no name; use 1 to 32 of the characters a-z, 0-9, - and _, and begin with a letter or digit", text)
		}
		return nil
	}}
}

func choice(at *string, options ...string) value {
	return textValue{at: at, how: strings.Join(options, ", "), accept: func(text string) error {
		if !slices.Contains(options, text) {
			return fmt.Errorf("%q is none of: %s", text, strings.Join(options, ", "))
		}
		return nil
	}}
}

func address(at *string) value {
	return textValue{at: at, how: "host:port", accept: func(text string) error {
		_, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			return fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:8080", text)
		}
		return nil
	}}
}

// origin is scheme and host of a URL; plain HTTP to loopback addresses alone.
func origin(at *string) value {
	return textValue{at: at, how: "scheme and host", accept: func(text string) error {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("is no URL; write scheme and host, such as https://pay.example.com")
		}
		if u.User != nil || u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return fmt.Errorf("must be scheme and host alone, without user, path, query or a slash at the end: %s://%s", u.Scheme, u.Host)
		}
		if u.Scheme == "http" && !loopback(u.Hostname()) {
			return fmt.Errorf("must be https://%s: plain http is accepted for loopback addresses alone", u.Host)
		}
		return nil
	}}
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

type boolValue struct{ at *bool }

func (v boolValue) form() string     { return "true or false" }
func (v boolValue) show() *yaml.Node { return plain(strconv.FormatBool(*v.at)) }

func (v boolValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	if text != "true" && text != "false" {
		return fmt.Errorf("%q must be true or false", text)
	}
	*v.at = text == "true"
	return nil
}

type countValue struct {
	at   *int
	most int
}

func (v countValue) form() string     { return fmt.Sprintf("number, 0 to %d", v.most) }
func (v countValue) show() *yaml.Node { return plain(strconv.Itoa(*v.at)) }

func (v countValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i > v.most {
		return fmt.Errorf("%q must be a whole number from 0 to %d", text, v.most)
	}
	*v.at = i
	return nil
}

type durationValue struct {
	at   *time.Duration
	most time.Duration
}

func (v durationValue) form() string     { return "duration with its unit, 0s to " + brief(v.most) }
func (v durationValue) show() *yaml.Node { return plain(brief(*v.at)) }

func (v durationValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > v.most {
		return fmt.Errorf("%q must be a duration from 0s to %s with its unit, such as 500ms, 30s or 2m", text, brief(v.most))
	}
	*v.at = d
	return nil
}

// daysValue is a number of days, at least some and at most a hundred years.
type daysValue struct {
	at    *time.Duration
	least int
}

const (
	day      = 24 * time.Hour
	daysMost = 36_500
)

func (v daysValue) form() string     { return fmt.Sprintf("number of days, %d to %d", v.least, daysMost) }
func (v daysValue) show() *yaml.Node { return plain(strconv.Itoa(int(*v.at / day))) }

func (v daysValue) read(n *yaml.Node, _ string) error {
	text, err := scalar(n)
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(text)
	if err != nil || days < v.least || days > daysMost {
		return fmt.Errorf("%q must be a number of days from %d to %d", text, v.least, daysMost)
	}
	*v.at = time.Duration(days) * day
	return nil
}

// brief is 5m instead of 5m0s.
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

type networksValue struct{ at *[]netip.Prefix }

func (v networksValue) form() string { return "list of networks; in a variable separated by commas" }

func (v networksValue) show() *yaml.Node {
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, p := range *v.at {
		list.Content = append(list.Content, shown(p.String()))
	}
	return list
}

func (v networksValue) read(n *yaml.Node, _ string) error {
	var texts []string
	switch n.Kind {
	case yaml.ScalarNode: // a variable
		if n.Value != "" {
			texts = strings.Split(n.Value, ",")
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			texts = append(texts, item.Value)
		}
	default:
		return errors.New(`must be a list of networks, such as ["127.0.0.0/8"]`)
	}
	networks := make([]netip.Prefix, 0, len(texts))
	var errs []error
	for _, text := range texts {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil || p != p.Masked() {
			errs = append(errs, fmt.Errorf("%q is no network; write one such as 10.0.0.0/8, or 10.1.2.3/32 for a single address", text))
			continue
		}
		networks = append(networks, p)
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	*v.at = networks
	return nil
}

// appIDsValue is a provider's appid for each product that has one of its own.
type appIDsValue struct{ at *map[payment.Product]string }

func (v appIDsValue) form() string { return "group of product: appid" }

func (v appIDsValue) show() *yaml.Node {
	if len(*v.at) == 0 {
		return nil
	}
	group := &yaml.Node{Kind: yaml.MappingNode}
	for _, product := range products {
		if id := (*v.at)[product]; id != "" {
			group.Content = append(group.Content, plain(string(product)), shown(id))
		}
	}
	return group
}

func (v appIDsValue) read(n *yaml.Node, _ string) error {
	if n.Kind != yaml.MappingNode {
		return errors.New("must be a group of product: appid")
	}
	ids := map[payment.Product]string{}
	var errs []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		product, id := payment.Product(n.Content[i].Value), n.Content[i+1].Value
		switch {
		case !slices.Contains(products, product):
			errs = append(errs, fmt.Errorf("%q is no product; use %s", product, joined(products)))
		case id == "":
			errs = append(errs, fmt.Errorf("%s needs an appid, such as wx8888888888888888", product))
		}
		ids[product] = id
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	*v.at = ids
	return nil
}

func joined[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = string(item)
	}
	return strings.Join(texts, ", ")
}
