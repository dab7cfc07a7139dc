package control

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

var update = flag.Bool("update", false, "write the schemas of the Go types into api.yaml")

// schemasBegin is where the part of api.yaml begins that is made.
const schemasBegin = "  schemas: # made from the Go types by: go test ./pkg/control -update\n"

// The schemas are those of the Go types, with their comments.
func TestSchemas(t *testing.T) {
	g := &schemas{t: t, all: map[string]string{}, comments: map[string]map[string]string{}}
	for _, of := range []reflect.Type{
		reflect.TypeFor[status.Status](), reflect.TypeFor[status.Probes](), reflect.TypeFor[Health](), reflect.TypeFor[Reloaded](),
		reflect.TypeFor[Ordered](), reflect.TypeFor[Drain](), reflect.TypeFor[failure](), reflect.TypeFor[changelog.Change](),
		reflect.TypeFor[notify.Outcome](), reflect.TypeFor[status.GuardTop](), reflect.TypeFor[status.GuardVerdict](),
	} {
		g.schema(of)
	}
	head, _, _ := strings.Cut(reference, schemasBegin)
	var b strings.Builder
	b.WriteString(head + schemasBegin)
	for _, name := range slices.Sorted(maps.Keys(g.all)) {
		fmt.Fprintf(&b, "    %s:\n%s", name, g.all[name])
	}
	if *update {
		must(t, os.WriteFile("api.yaml", []byte(b.String()), 0o644))
		return
	}
	if diff := cmp.Diff(reference, b.String()); diff != "" {
		t.Errorf("api.yaml is out of date (-file +types):\n%s", diff)
	}
}

// schemas writes Go types as the schemas of their JSON.
type schemas struct {
	t        *testing.T
	all      map[string]string            // by "package.Type"
	comments map[string]map[string]string // of the fields of each "package.Type", by directory
}

// schema gives a type in one line of YAML; structs become entries of their own.
func (g *schemas) schema(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "{type: string, format: date-time}"
	case t == reflect.TypeFor[time.Duration]():
		return "{type: integer, description: nanoseconds}"
	case t.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()):
		return "{type: string}"
	}
	switch t.Kind() {
	case reflect.Pointer:
		inner := g.schema(t.Elem())
		if t.Elem().Kind() == reflect.Struct {
			return "{nullable: true, allOf: [" + inner + "]}"
		}
		return strings.Replace(inner, "{", "{nullable: true, ", 1)
	case reflect.Slice:
		return "{type: array, items: " + g.schema(t.Elem()) + "}"
	case reflect.Map:
		return "{type: object, additionalProperties: " + g.schema(t.Elem()) + "}"
	case reflect.Bool:
		return "{type: boolean}"
	case reflect.String:
		return "{type: string}"
	case reflect.Float64:
		return "{type: number}"
	case reflect.Struct:
		name := strings.TrimPrefix(t.String(), "*")
		if _, known := g.all[name]; !known {
			g.all[name] = "" // of a type within itself
			g.all[name] = g.object(t)
		}
		return `{$ref: "#/components/schemas/` + name + `"}`
	}
	return "{type: integer}"
}

func (g *schemas) object(t reflect.Type) string {
	var properties, required []string
	g.fields(t, &properties, &required)
	return fmt.Sprintf("      type: object\n      required: [%s]\n      properties:\n%s", strings.Join(required, ", "), strings.Join(properties, ""))
}

func (g *schemas) fields(t reflect.Type, properties, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			g.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
		value := g.schema(f.Type)
		if text := g.comment(t, f.Name); text != "" {
			if strings.HasPrefix(value, "{$ref") {
				value = "{allOf: [" + value + "]}"
			}
			if !strings.Contains(value, "description: ") {
				value = strings.TrimSuffix(value, "}") + ", description: " + strconv.Quote(text) + "}"
			}
		}
		*properties = append(*properties, fmt.Sprintf("        %s: %s\n", name, value))
	}
}

// comment is what stands beside a field in the source.
func (g *schemas) comment(t reflect.Type, field string) string {
	dir, ok := strings.CutPrefix(t.PkgPath(), "github.com/lvsd/lvsd/pkg/")
	if !ok {
		return ""
	}
	if g.comments[dir] == nil {
		g.comments[dir] = fieldComments(g.t, filepath.Join("..", filepath.FromSlash(dir)))
	}
	return g.comments[dir][t.Name()+"."+field]
}

// fieldComments reads the comments of all fields of a package's structs.
func fieldComments(t *testing.T, dir string) map[string]string {
	t.Helper()
	comments := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	must(t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		must(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, id := range f.Names {
						comments[spec.Name.Name+"."+id.Name] = strings.TrimSpace(f.Comment.Text())
					}
				}
			}
			return false
		})
	}
	return comments
}
