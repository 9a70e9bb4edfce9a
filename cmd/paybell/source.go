package main

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/paybell/paybell/order"
)

// A sourceConfig is one account at a payment provider. Besides these two keys it
// has those of its provider, which are the fields of the provider's Options.
type sourceConfig struct {
	Provider string     `yaml:"provider"`
	Mode     order.Mode `yaml:"mode"` // live or test: all that counts. Empty: both
	Options  any        // what the provider's New takes; a value, not a pointer
}

// Options hold secrets in plain text, so that nothing may print them.
func (sourceConfig) String() string               { return mask }
func (sourceConfig) GoString() string             { return mask }
func (sourceConfig) MarshalText() ([]byte, error) { return []byte(mask), nil }

// A sourceKey is one key of a provider, and the field of its Options.
type sourceKey struct {
	name  string
	value reflect.Value
}

// A key's name says whether its value is secret, and whether it may be in a
// file. A provider's author has nothing to declare, and so nothing to forget.
func (k sourceKey) secret() bool {
	name := k.name
	return strings.Contains(name, "secret") || strings.Contains(name, "password") || strings.Contains(name, "token") ||
		!strings.Contains(name, "public") && (strings.HasSuffix(name, "key") || strings.HasSuffix(name, "keys"))
}

func (k sourceKey) file() bool {
	return strings.Contains(k.name, "public_key") || strings.Contains(k.name, "certificate") || k.name == "roots"
}

// shadow is what the key's value is decoded into and printed from: texts that
// are secret or in files have a type that says so.
func (k sourceKey) shadow() reflect.Type {
	text, list := k.value.Type(), k.value.Kind() == reflect.Slice
	if list {
		text = text.Elem()
	}
	switch {
	case text.Kind() != reflect.String:
		return k.value.Type()
	case k.secret():
		text = secretType
	case k.file():
		text = fileTextType
	}
	if list {
		return reflect.SliceOf(text)
	}
	return text
}

// sourceKeys returns the keys of Options in the order of their fields: named by
// their yaml tags, or else by the field, PublicKeys as public_keys. Functions
// and interfaces are for tests and have no key.
func sourceKeys(options reflect.Value) []sourceKey {
	var keys []sourceKey
	for i := range options.NumField() {
		field, value := options.Type().Field(i), options.Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			keys = append(keys, sourceKeys(value)...)
			continue
		case name == "-" || !field.IsExported():
			continue
		case name == "":
			name = snakeCase(field.Name)
		}
		switch field.Type.Kind() {
		case reflect.Func, reflect.Interface, reflect.Chan:
		case reflect.Pointer:
			if field.Type.Elem().Kind() == reflect.Struct && field.Tag.Get("yaml") != "" {
				keys = append(keys, sourceKey{name, value})
			}
		default:
			keys = append(keys, sourceKey{name, value})
		}
	}
	return keys
}

// snakeCase writes the name of a field as a key: APIKey as api_key.
func snakeCase(name string) string {
	var b strings.Builder
	letters := []rune(name)
	for i, r := range letters {
		begins := unicode.IsUpper(r) && i > 0 &&
			(!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func keyNames(keys []sourceKey) []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	return names
}

// keys returns a checked source's keys. Their values can be read only.
func (s sourceConfig) keys() []sourceKey {
	if s.Options == nil {
		return nil
	}
	return sourceKeys(reflect.ValueOf(s.Options))
}

// secrets returns the values of the key secrets.
func (s sourceConfig) secrets() []string {
	for _, k := range s.keys() {
		if list, ok := k.value.Interface().([]string); ok && k.name == "secrets" {
			return list
		}
	}
	return nil
}

var sourceType = reflect.TypeFor[sourceConfig]()

// commonKeys are those that a source of any provider may have.
var commonKeys = []string{"provider", "mode"}

// source reads one source. What keys there are follows from its provider, which
// may stand below them.
func (d *decoder) source(n *yaml.Node, v reflect.Value, path string) {
	s := v.Addr().Interface().(*sourceConfig)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "provider" {
			d.value(n.Content[i+1], v.FieldByName("Provider"), join(path, "provider"))
			break
		}
	}
	p, known := providers[s.Provider]
	fields := map[string]reflect.Value{"provider": v.FieldByName("Provider"), "mode": v.FieldByName("Mode")}
	var options reflect.Value
	byName := map[string]sourceKey{}
	if known {
		options = reflect.New(p.options).Elem()
		for _, key := range sourceKeys(options) {
			fields[key.name], byName[key.name] = key.value, key
		}
	}
	d.pairs(n, path, func(key, value *yaml.Node) {
		at := join(path, key.Value)
		defer func() {
			if _, set := d.from[at]; set {
				d.at(at, key.Line)
			}
		}()
		switch {
		case key.Value == "provider": // is read
		case key.Value == "mode":
			d.value(value, fields["mode"], at)
		case byName[key.Value].name != "":
			d.option(value, byName[key.Value], at)
		case !known && s.Provider != "": // the check says so
		case !slices.Contains(allSourceKeys(), key.Value):
			d.misnamed(n, key, value, path, fields)
		case known:
			d.mistakef(key.Line, "%s is not for provider %s, which takes %s", at, s.Provider, strings.Join(keyNames(sourceKeys(options)), ", "))
		}
	})
	if known {
		s.Options = options.Interface()
	}
}

// option reads the value of one of a provider's keys.
func (d *decoder) option(n *yaml.Node, key sourceKey, path string) {
	shadow := reflect.New(key.shadow()).Elem()
	d.value(n, shadow, path)
	if shadow.Kind() != reflect.Slice {
		key.value.Set(shadow.Convert(key.value.Type()))
		return
	}
	list := reflect.MakeSlice(key.value.Type(), shadow.Len(), shadow.Len())
	for i := range shadow.Len() {
		list.Index(i).Set(shadow.Index(i).Convert(list.Type().Elem()))
	}
	key.value.Set(list)
}

// allSourceKeys are the keys that a source of some provider may have.
func allSourceKeys() []string {
	all := slices.Clone(commonKeys)
	for _, p := range providers {
		all = append(all, keyNames(sourceKeys(reflect.New(p.options).Elem()))...)
	}
	return all
}

// sourceNode is how a source is printed.
func (c *config) sourceNode(s sourceConfig, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	c.pair(n, "provider", reflect.ValueOf(s.Provider), join(path, "provider"))
	c.pair(n, "mode", reflect.ValueOf(s.Mode), join(path, "mode"))
	for _, key := range s.keys() {
		shown := key.value
		if shadow := key.shadow(); shown.Kind() != reflect.Slice {
			shown = shown.Convert(shadow)
		} else if shadow != shown.Type() && shown.Len() > 0 {
			shown = reflect.MakeSlice(shadow, key.value.Len(), key.value.Len())
			for i := range shown.Len() {
				shown.Index(i).Set(key.value.Index(i).Convert(shadow.Elem()))
			}
		}
		c.pair(n, key.name, shown, join(path, key.name))
	}
	return n
}
