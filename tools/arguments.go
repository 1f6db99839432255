package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxArguments bounds the arguments of a call. A file to write is the
	// largest.
	maxArguments = 8 << 20

	maxList = 1_000
)

// arguments are the decoded arguments of a call. Those that were not given are
// not in it.
type arguments map[string]any

// decode checks arguments against the params of a tool. It takes what models get
// wrong without harm: numbers and truth values as strings, one string for a list,
// null for nothing.
func decode(raw json.RawMessage, params []param) (arguments, *failure) {
	if len(raw) > maxArguments {
		return nil, argumentError("the arguments have %d bytes; at most %d are taken", len(raw), maxArguments)
	}
	if len(bytes.TrimSpace(raw)) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		raw = json.RawMessage("{}")
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, argumentError("the arguments are not a JSON object")
	}
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.name
	}
	for _, name := range slices.Sorted(mapKeys(given)) {
		if !slices.Contains(names, name) {
			f := argumentError("there is no argument %s", shown(name))
			f.next = didYouMean(name, names)
			return nil, f
		}
	}
	args := arguments{}
	for _, p := range params {
		value, ok := given[p.name]
		if !ok || string(value) == "null" {
			if p.required {
				return nil, argumentError("%s is missing: %s", p.name, p.description)
			}
			continue
		}
		v, err := p.decode(value)
		if err != "" {
			return nil, argumentError("%s: %s", p.name, err)
		}
		args[p.name] = v
	}
	return args, nil
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// decode returns the value of an argument, or what is wrong with it.
func (p *param) decode(raw json.RawMessage) (value any, wrong string) {
	switch p.kind {
	case kindString:
		return p.text(raw)
	case kindInteger:
		return p.integer(raw)
	case kindBoolean:
		return p.boolean(raw)
	case kindStrings:
		return p.list(raw)
	default:
		return nil, "no such type"
	}
}

func (p *param) text(raw json.RawMessage) (any, string) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		// A number where text is meant, such as a task ID.
		if s = string(raw); !isNumber(s) {
			return nil, "it has to be a string, and is " + jsonType(raw)
		}
	}
	if p.required && s == "" && !p.mayBeEmpty {
		return nil, "it is empty"
	}
	if len(p.enum) > 0 && !slices.Contains(p.enum, s) {
		return nil, fmt.Sprintf("%s is not one of %s", shown(s), strings.Join(p.enum, ", "))
	}
	return s, ""
}

func (p *param) integer(raw json.RawMessage) (any, string) {
	text := string(raw)
	var s string
	if json.Unmarshal(raw, &s) == nil {
		text = strings.TrimSpace(s)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return nil, "it has to be a whole number, and is " + shown(string(raw))
	}
	n := int(f)
	switch {
	case n < p.min:
		return nil, fmt.Sprintf("%d is below %d", n, p.min)
	case p.max != 0 && n > p.max:
		return nil, fmt.Sprintf("%d is above %d", n, p.max)
	}
	return n, ""
}

func (p *param) boolean(raw json.RawMessage) (any, string) {
	switch strings.ToLower(strings.Trim(string(raw), `"`)) {
	case "true":
		return true, ""
	case "false":
		return false, ""
	}
	return nil, "it has to be true or false, and is " + shown(string(raw))
}

func (p *param) list(raw json.RawMessage) (any, string) {
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		var one string
		if json.Unmarshal(raw, &one) != nil {
			return nil, "it has to be a list of strings, and is " + jsonType(raw)
		}
		// A list that was encoded twice, or one name.
		if !strings.HasPrefix(strings.TrimSpace(one), "[") || json.Unmarshal([]byte(one), &list) != nil {
			list = []string{one}
		}
	}
	if len(list) > maxList {
		return nil, fmt.Sprintf("it has %d entries; at most %d are taken", len(list), maxList)
	}
	return list, ""
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9')
}

// jsonType names the type of a JSON value.
func jsonType(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}

func (a arguments) string(name string) string { s, _ := a[name].(string); return s }

// files is the one list that tools take.
func (a arguments) files() []string { l, _ := a["files"].([]string); return l }

func (a arguments) bool(name string, def bool) bool {
	if b, ok := a[name].(bool); ok {
		return b
	}
	return def
}

func (a arguments) int(name string, def int) int {
	if n, ok := a[name].(int); ok {
		return n
	}
	return def
}

// didYouMean names the nearest of names, where one is near, or all.
func didYouMean(name string, names []string) string {
	best, distance := "", len(name)/2+1
	for _, n := range names {
		if d := editDistance(strings.ToLower(name), n); d < distance {
			best, distance = n, d
		}
	}
	if best != "" {
		return "Did you mean " + best + "?"
	}
	if len(names) == 0 {
		return "It takes none."
	}
	return "There are: " + strings.Join(names, ", ") + "."
}

// editDistance is how many characters to add, remove or replace, Levenshtein's.
func editDistance(a, b string) int {
	const most = 64
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
