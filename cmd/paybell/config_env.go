package main

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand fills in ${VARIABLES}, and makes $$ one dollar. Other dollars stand
// for themselves. What a variable holds is taken as it is, and not looked
// through again.
func (d *decoder) expand(n *yaml.Node, path string) (string, bool) {
	var b strings.Builder
	from := origin{line: n.Line}
	ok := true
	for rest := n.Value; rest != ""; {
		i := strings.IndexByte(rest, '$')
		if i < 0 || i+1 == len(rest) {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		switch rest = rest[i:]; rest[1] {
		case '$':
			b.WriteByte('$')
			rest = rest[2:]
		case '{':
			name, after, closed := strings.Cut(rest[2:], "}")
			if !closed || !variableName.MatchString(name) {
				d.mistakef(n.Line, "%s has a ${ without a variable's name and a }; a dollar sign is written $$", path)
				return "", false
			}
			value, found := d.variable(n, name, path)
			ok = ok && found
			from.variables = append(from.variables, name)
			b.WriteString(value)
			rest = after
		default:
			b.WriteByte('$')
			rest = rest[1:]
		}
	}
	d.from[path] = from
	return b.String(), ok
}

// variable looks up a variable that a value refers to. An empty one is a
// mistake too: an empty secret would be no secret.
func (d *decoder) variable(n *yaml.Node, name, path string) (string, bool) {
	d.referred[name] = true
	value, ok := d.env[name]
	switch {
	case !ok:
		d.mistakef(n.Line, "%s needs the environment variable %s, which is not set", path, name)
	case value == "":
		d.mistakef(n.Line, "%s needs the environment variable %s, which is empty", path, name)
	}
	return value, value != ""
}

const envPrefix = "PAYBELL_"

// clientVariables are read by the commands and say nothing about a gateway.
var clientVariables = []string{"PAYBELL_CONFIG", "PAYBELL_TOKEN", "PAYBELL_URL"}

// serviceLink matches what Kubernetes sets in every pod when a service is
// called paybell.
var serviceLink = regexp.MustCompile(`^PAYBELL_(SERVICE_(HOST|PORT.*)|PORT|PORT_[0-9]+_.*)$`)

// override sets what PAYBELL_ variables say. Every text, number, duration and
// list of texts outside lists and sources has one: auth.issuer is
// PAYBELL_AUTH_ISSUER.
// A PAYBELL_ variable that nothing reads is a mistake.
func (d *decoder) override(c *config) {
	fields := map[string]overridable{}
	overridables(reflect.ValueOf(c).Elem(), "", fields)
	for _, name := range slices.Sorted(maps.Keys(d.env)) {
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		field, ok := fields[name]
		switch {
		case ok:
			d.overrideOne(name, field)
		case d.broken: // what the file refers to is not known
		case d.referred[name] || slices.Contains(clientVariables, name) || serviceLink.MatchString(name):
		default:
			d.mistakes = append(d.mistakes, mistake{at: name, text: "unknown variable, and the configuration does not refer to it" + variableHint(name, fields)})
		}
	}
}

// variableHint compares what follows the prefix, which makes all names alike.
func variableHint(name string, fields map[string]overridable) string {
	var rest []string
	for known := range maps.Keys(fields) {
		rest = append(rest, strings.TrimPrefix(known, envPrefix))
	}
	slices.Sort(rest)
	meant := nearest(strings.TrimPrefix(name, envPrefix), rest)
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", envPrefix+meant)
}

func (d *decoder) overrideOne(name string, field overridable) {
	if err := d.setVariable(field.value, d.env[name]); err != nil {
		d.mistakes = append(d.mistakes, mistake{at: name, text: err.Error()})
		return
	}
	maps.DeleteFunc(d.from, func(at string, _ origin) bool { return strings.HasPrefix(at, field.path+"[") })
	d.from[field.path] = origin{variables: []string{name}}
}

func (d *decoder) setVariable(v reflect.Value, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("is empty; unset it or give it a value")
	}
	if v.Kind() != reflect.Slice {
		return d.set(v, text)
	}
	items := strings.Split(text, ",")
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := d.set(list.Index(i), strings.TrimSpace(item)); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// An overridable is a value of the configuration that a variable can set.
type overridable struct {
	path  string
	value reflect.Value
}

// overridables finds the values below v that have a variable, by its name.
func overridables(v reflect.Value, path string, into map[string]overridable) {
	for name, field := range fieldsOf(v) {
		at := join(path, name)
		switch {
		case field.Kind() == reflect.Struct:
			overridables(field, at, into)
		case field.Kind() == reflect.Map, field.Kind() == reflect.Slice && field.Type().Elem().Kind() != reflect.String:
		default:
			into[envPrefix+strings.ToUpper(strings.ReplaceAll(at, ".", "_"))] = overridable{at, field}
		}
	}
}
