package main

import (
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// print writes the configuration as it is in force: YAML, with a comment on
// where each value came from and a mask over each secret. What is not set and
// has no default is left out.
func (c *config) print(w io.Writer) error {
	out := yaml.NewEncoder(w)
	out.SetIndent(2)
	if err := out.Encode(c.node(reflect.ValueOf(c).Elem(), "")); err != nil {
		return err
	}
	return out.Close()
}

// node returns v as YAML, or nil when there is nothing to show.
func (c *config) node(v reflect.Value, path string) *yaml.Node {
	if !v.IsValid() || v.IsZero() && v.Type() != durationType {
		return nil
	}
	if s, ok := v.Interface().(sourceConfig); ok {
		return c.sourceNode(s, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return c.node(v.Elem(), path)
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		c.fields(n, v, path)
		return n
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range sortedKeys(keysOf(v)) {
			c.pair(n, key, v.MapIndex(reflect.ValueOf(key)), join(path, pathKey(key)))
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			at := path + "[" + strconv.Itoa(i) + "]"
			if item := c.node(v.Index(i), at); item != nil {
				n.Content = append(n.Content, item)
			}
		}
		return n
	}
	n := scalarNode(v)
	n.LineComment = c.comment(path)
	return n
}

// fields adds the fields of a struct to n, in the order they are declared in.
func (c *config) fields(n *yaml.Node, v reflect.Value, path string) {
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			c.fields(n, v.Field(i), path)
		case name != "":
			c.pair(n, name, v.Field(i), join(path, name))
		}
	}
}

func (c *config) pair(n *yaml.Node, key string, v reflect.Value, path string) {
	value := c.node(v, path)
	if value == nil || v.Type() == durationType && v.IsZero() && c.comment(path) == defaultComment {
		return
	}
	n.Content = append(n.Content, textNode(key), value)
}

func scalarNode(v reflect.Value) *yaml.Node {
	switch value := v.Interface().(type) {
	case secret:
		return textNode(mask)
	case addressURL:
		return textNode(value.String())
	case busURL:
		return textNode(value.String())
	case ledger:
		return textNode(value.String())
	case time.Duration:
		return textNode(value.String())
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(value)}
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(value)}
	}
	return textNode(v.String())
}

func textNode(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	return n
}

const defaultComment = "default"

// comment says where the value at a path came from.
func (c *config) comment(path string) string {
	from, ok := c.from[path]
	for !ok && strings.HasSuffix(path, "]") { // a variable sets whole lists
		path = path[:strings.LastIndexByte(path, '[')]
		from, ok = c.from[path]
	}
	switch {
	case !ok:
		return defaultComment
	case from.line == 0:
		return from.variables[0]
	case len(from.variables) > 0:
		return "line " + strconv.Itoa(from.line) + ", " + strings.Join(from.variables, ", ")
	}
	return "line " + strconv.Itoa(from.line)
}

// keysOf returns the keys of a map from texts.
func keysOf(v reflect.Value) map[string]bool {
	keys := map[string]bool{}
	for _, key := range v.MapKeys() {
		keys[key.String()] = true
	}
	return keys
}
