package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A decoder reads YAML into a config. It goes over the nodes itself, because
// yaml stops at the first mistake of a kind, knows no nearest name, and quotes
// values, which may be secret.
type decoder struct {
	file string // as the operator named it
	dir  string // relative file: paths start here
	env  map[string]string

	referred map[string]bool // variables that the file names
	broken   bool            // the file is no YAML, and was not read to its end
	from     origins
	mistakes []mistake
}

// mistakef notes what is wrong at a line; 0 stands for the whole file.
func (d *decoder) mistakef(line int, format string, args ...any) {
	d.mistakes = append(d.mistakes, mistake{at: place(d.file, line), line: line, text: fmt.Sprintf(format, args...)})
}

func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

// document reads a whole file.
func (d *decoder) document(content []byte, c *config) {
	var doc yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(content))
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return // empty; the check says what is missing
	case err != nil:
		d.syntax(err)
		return
	}
	if err := reader.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.mistakef(0, "more than one YAML document; the configuration is a single one")
	}
	d.value(doc.Content[0], reflect.ValueOf(c).Elem(), "")
}

// syntax notes what yaml says. Of its errors about a file's form, only that of
// an unknown anchor quotes the file: an unquoted secret may begin with *.
func (d *decoder) syntax(err error) {
	d.broken = true
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if number, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok && rest != "" {
		if n, err := strconv.Atoi(number); err == nil {
			line, text = n, rest
		}
	}
	if strings.HasPrefix(text, "unknown anchor ") {
		text = "a value that begins with * must be in quotes"
	}
	d.mistakef(line, "not valid YAML: %s", text)
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret]()
	fileTextType = reflect.TypeFor[fileText]()
)

// value reads one node into v.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.from[path] = origin{line: n.Line}
	if n.Tag == "!!null" && path != "" {
		d.mistakef(n.Line, "%s has no value; give it one or leave it out", path)
		return
	}
	kind := v.Kind()
	switch {
	case v.Type() == sourceType && n.Kind == yaml.MappingNode:
		d.source(n, v, path)
	case kind == reflect.Struct && n.Kind == yaml.MappingNode:
		d.structure(n, v, path)
	case kind == reflect.Map && n.Kind == yaml.MappingNode:
		d.mapping(n, v, path)
	case kind == reflect.Slice && n.Kind == yaml.SequenceNode:
		d.list(n, v, path)
	case kind == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case n.Kind == yaml.ScalarNode && kind != reflect.Struct && kind != reflect.Map && kind != reflect.Slice:
		d.scalar(n, v, path)
	default:
		d.wrongType(n, v, path)
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v)
	d.pairs(n, path, func(key, value *yaml.Node) {
		field, ok := fields[key.Value]
		if !ok {
			d.misnamed(n, key, value, path, fields)
			return
		}
		d.value(value, field, join(path, key.Value))
		d.at(join(path, key.Value), key.Line)
	})
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	d.pairs(n, path, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(value, item, join(path, pathKey(key.Value)))
		d.at(join(path, pathKey(key.Value)), key.Line)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
}

// at says that the value at a path is on the line of its key, wherever it begins.
func (d *decoder) at(path string, line int) {
	from := d.from[path]
	from.line = line
	d.from[path] = from
}

// pairs calls do for each key of a mapping, the first time it is there.
func (d *decoder) pairs(n *yaml.Node, path string, do func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			d.mistakef(key.Line, "a key%s is not a name", within(path))
			continue
		}
		if line, ok := seen[key.Value]; ok {
			d.mistakef(key.Line, "key %s%s is already on line %d", showKey(key.Value), within(path), line)
			continue
		}
		seen[key.Value] = key.Line
		do(key, n.Content[i+1])
	}
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// misnamed notes a key of mapping n that is none of the fields.
func (d *decoder) misnamed(n, key, value *yaml.Node, path string, fields map[string]reflect.Value) {
	if n.Style&yaml.FlowStyle != 0 && value.Tag == "!!null" && !strings.Contains(key.Value, ":") {
		// {secret: S3cr3t,V4lue} has a key V4lue, which nobody meant.
		d.mistakef(key.Line, "there is a comma%s without a key and a value after it; a text with a comma must be in quotes", within(path))
		return
	}
	d.unknownKey(key, path, fields)
}

func (d *decoder) unknownKey(key *yaml.Node, path string, fields map[string]reflect.Value) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	hint := didYouMean(key.Value, names)
	if name, _, ok := strings.Cut(key.Value, ":"); ok {
		hint = "; a space belongs after the colon of " + showKey(name)
	}
	d.mistakef(key.Line, "unknown key %s%s%s", showKey(key.Value), within(path), hint)
}

var keyName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// showKey quotes a key that looks like one. What does not may be a secret that
// was mistyped into its place.
func showKey(key string) string {
	if !keyName.MatchString(key) {
		return "(not a name)"
	}
	return strconv.Quote(key)
}

// pathKey is how a path names a key that the operator chose.
func pathKey(key string) string {
	if !keyName.MatchString(key) {
		return "?"
	}
	return key
}

func within(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// fieldsOf returns the fields of a struct by their yaml names, those of inlined
// structs among them.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			for name, field := range fieldsOf(v.Field(i)) {
				fields[name] = field
			}
		case name != "" && name != "-":
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// scalar reads text, a whole number or a duration.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	text := v.Kind() == reflect.String || v.Type() == durationType
	if text != (n.Tag == "!!str") && !strings.Contains(n.Value, "${") {
		d.wrongType(n, v, path)
		return
	}
	value, ok := d.expand(n, path)
	if !ok {
		return
	}
	if err := d.set(v, value); err != nil {
		d.mistakef(n.Line, "%s %v", path, err)
	}
}

// set gives v the value that text stands for. Its error goes on after the name
// of the key or variable, and does not quote text. Besides these kinds a config
// holds only whole numbers.
func (d *decoder) set(v reflect.Value, text string) error {
	switch v.Type() {
	case durationType:
		t, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("is not a duration such as 10s or 5m")
		}
		v.SetInt(int64(t))
		return nil
	case secretType, fileTextType:
		content, err := d.readFile(text)
		v.SetString(content)
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("must be " + wanted(v))
		}
		v.SetBool(text == "true")
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return errors.New("must be " + wanted(v))
	}
	v.SetInt(n)
	return nil
}

// maxFileBytes is far above any key or secret.
const maxFileBytes = 64 << 10

// readFile follows "file:PATH"; other text is returned as it is.
func (d *decoder) readFile(text string) (string, error) {
	path, ok := strings.CutPrefix(text, "file:")
	if !ok {
		return text, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	trimmed := strings.TrimRight(string(content), "\r\n")
	if trimmed == "" || len(content) > maxFileBytes {
		return "", fmt.Errorf("names the file %s, which is empty or larger than %d KiB", path, maxFileBytes>>10)
	}
	return trimmed, nil
}

func (d *decoder) wrongType(n *yaml.Node, v reflect.Value, path string) {
	hint := ""
	if wanted(v) == "text" && n.Kind == yaml.ScalarNode {
		hint = "; put it in quotes"
	}
	if path == "" {
		path = "the configuration"
	}
	d.mistakef(n.Line, "%s must be %s, not %s%s", path, wanted(v), found(n), hint)
}

// wanted names what v takes.
func wanted(v reflect.Value) string {
	if v.Type() == durationType {
		return "a duration such as 10s"
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		return "keys with values"
	case reflect.Slice:
		return "a list"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	}
	return "text"
}

// found names what a node is.
func found(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!bool":
		return "true or false"
	case n.Tag == "!!timestamp":
		return "a date"
	case !strings.HasPrefix(n.Tag, "!!"):
		return "a tag, which begins with !"
	}
	return "text"
}
