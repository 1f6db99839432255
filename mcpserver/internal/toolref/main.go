// Toolref writes docs/mcp-tools.md, the reference of the tools, from their
// definitions.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/gitsandbox/gitsandbox"
	"github.com/gitsandbox/gitsandbox/gitsandboxtest"
	"github.com/gitsandbox/gitsandbox/tools"
)

func main() {
	file := flag.String("o", "", "the `file` to write")
	flag.Parse()
	text, err := reference()
	if err == nil {
		err = os.WriteFile(*file, text, 0o644) //nolint:gosec // a page of the documentation
	}
	if err != nil {
		slog.Error("toolref", "error", err)
		os.Exit(1) //nolint:forbidigo // a program
	}
}

// reference returns the page.
func reference() (_ []byte, err error) {
	sandboxes, err := gitsandboxtest.NewTransport(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sandboxes.Close()) }()
	client, err := gitsandbox.New(sandboxes, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	set, err := tools.New(client, nil)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("<!-- Made by go generate in mcpserver. -->\n# Tools\n\n" +
		"What a model sees. [mcp.md](mcp.md) says how to offer them, [mcp-security.md](mcp-security.md) what they allow.\n\n" +
		"| tool | toolset | changes | what for |\n| --- | --- | --- | --- |\n")
	for _, t := range set.Tools() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", t.Name, t.Name, t.Toolset, changes(t), t.Title)
	}
	for _, t := range set.Tools() {
		if err := section(&b, t); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return b.Bytes(), nil
}

// changes says in words what the hints say.
func changes(t *tools.Tool) string {
	switch {
	case t.ReadOnly:
		return "nothing"
	case t.Destructive:
		return "may overwrite or lose"
	default:
		return "adds"
	}
}

func section(b *bytes.Buffer, t *tools.Tool) error {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", t.Name, t.Description)
	var hints []string
	for _, h := range []struct {
		name string
		set  bool
	}{{"read-only", t.ReadOnly}, {"destructive", t.Destructive}, {"idempotent", t.Idempotent}, {"open world", t.OpenWorld}} {
		if h.set {
			hints = append(hints, h.name)
		}
	}
	fmt.Fprintf(b, "Hints: %s.\n\n", strings.Join(hints, ", "))
	arguments, err := properties(t.InputSchema)
	if err != nil {
		return err
	}
	if len(arguments) > 0 {
		b.WriteString("| argument | type | description |\n| --- | --- | --- |\n")
		table(b, "", "**required.** ", arguments)
	}
	if t.OutputSchema == nil {
		b.WriteString("\nReturns text.\n")
		return nil
	}
	result, err := properties(t.OutputSchema)
	if err != nil {
		return err
	}
	b.WriteString("\n| result | type | description |\n| --- | --- | --- |\n")
	for i := range result {
		result[i].marked = !result[i].marked
	}
	table(b, "", "Where there is one. ", result)
	return nil
}

// A property is one property of an object, in JSON Schema.
type property struct {
	name, kind, description string
	marked                  bool // required, in arguments; optional, in results
	items                   []property
}

// table writes the rows of properties, with mark before the description of some.
func table(b *bytes.Buffer, prefix, mark string, list []property) {
	for _, p := range list {
		description := p.description
		if p.marked && prefix == "" {
			description = mark + description
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", prefix, p.name, p.kind, strings.ReplaceAll(description, "|", `\|`))
		table(b, prefix+p.name+"[].", mark, p.items)
	}
}

// properties returns the properties of an object in their order, which a map would
// lose.
func properties(schema json.RawMessage) ([]property, error) {
	var object struct {
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if err := json.Unmarshal(schema, &object); err != nil || object.Properties == nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(object.Properties))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var list []property
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var p struct {
			Type        string          `json:"type"`
			Description string          `json:"description"`
			Enum        []string        `json:"enum"`
			Minimum     *int            `json:"minimum"`
			Maximum     *int            `json:"maximum"`
			Items       json.RawMessage `json:"items"`
		}
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		one := property{name: fmt.Sprint(name), kind: p.Type, description: p.Description}
		one.marked = slices.Contains(object.Required, one.name)
		if len(p.Enum) > 0 {
			one.kind = "`" + strings.Join(p.Enum, "`, `") + "`"
		}
		if p.Minimum != nil && p.Maximum != nil {
			one.kind += fmt.Sprintf(", %d to %d", *p.Minimum, *p.Maximum)
		}
		if p.Items != nil {
			if one.items, err = properties(p.Items); err != nil {
				return nil, err
			}
			one.kind = "list of strings"
			if one.items != nil {
				one.kind = "list"
			}
		}
		list = append(list, one)
	}
	return list, nil
}
