package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets/vault"
)

// node is a JSON object of the document.
type node = map[string]any

func apiDocument(t testing.TB) node {
	t.Helper()
	var doc node
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at walks to an object of the document.
func at(t testing.TB, doc node, path ...string) node {
	t.Helper()
	for _, p := range path {
		next, ok := doc[p].(node)
		if !ok {
			t.Fatalf("the document has no %s", strings.Join(path, " "))
		}
		doc = next
	}
	return doc
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// operations are those of the document, by "METHOD path".
func operations(t testing.TB, doc node) map[string]node {
	t.Helper()
	all := map[string]node{}
	for path, item := range at(t, doc, "paths") {
		for key, op := range item.(node) {
			if slices.Contains(methods, key) {
				all[strings.ToUpper(key)+" "+path] = op.(node)
			}
		}
	}
	return all
}

// pageRoute tells the page and its files: no part of the API.
func pageRoute(pattern string) bool {
	return strings.HasPrefix(pattern, "GET /assets/") || strings.HasPrefix(pattern, "GET /{$}") || pattern == "GET /"
}

func TestTheDocumentHasEveryRoute(t *testing.T) {
	documented := operations(t, apiDocument(t))
	w := watch(t)
	for _, r := range w.routes() {
		if r.who == local || pageRoute(r.pattern) {
			continue
		}
		op, ok := documented[r.pattern]
		if !ok {
			t.Errorf("%s is not in the document", r.pattern)
			continue
		}
		delete(documented, r.pattern)
		if wants, isOpen := op["security"] == nil || len(op["security"].([]any)) > 0, r.who == open || r.who == visitor; wants == isOpen {
			t.Errorf("%s: the document says of its key: %v", r.pattern, op["security"])
		}
	}
	for pattern := range documented {
		t.Errorf("%s is in the document, and nothing answers it over TCP", pattern)
	}
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func TestTheDocumentIsOpenAPI(t *testing.T) {
	doc := apiDocument(t)
	if doc["openapi"] != "3.1.0" || at(t, doc, "info")["title"] == "" || at(t, doc, "info")["version"] == "" {
		t.Error("its head is not that of OpenAPI 3.1")
	}
	ids := map[string]bool{}
	for name, op := range operations(t, doc) {
		_, path, _ := strings.Cut(name, " ")
		id, _ := op["operationId"].(string)
		if id == "" || ids[id] || !strings.HasPrefix(path, "/") || op["summary"] == nil {
			t.Errorf("%s: operationId %q, summary %v", name, id, op["summary"])
		}
		ids[id] = true
		declared := map[string]bool{}
		item := at(t, doc, "paths", path)
		for _, list := range []any{item["parameters"], op["parameters"]} {
			parameters, _ := list.([]any)
			for _, p := range parameters {
				p := resolved(t, doc, p.(node))
				if p["in"] == "path" {
					declared[p["name"].(string)] = p["required"] == true
				}
				if p["schema"] == nil {
					t.Errorf("%s: parameter %v has no schema", name, p["name"])
				}
			}
		}
		var wanted []string
		for _, m := range inPath.FindAllStringSubmatch(path, -1) {
			wanted = append(wanted, m[1])
			if !declared[m[1]] {
				t.Errorf("%s: %s is not declared, or not required", name, m[1])
			}
		}
		if len(declared) != len(wanted) {
			t.Errorf("%s: declares %v", name, declared)
		}
		for status, r := range at(t, op, "responses") {
			if resolved(t, doc, r.(node))["description"] == nil {
				t.Errorf("%s: %s has no description", name, status)
			}
		}
	}
	references(t, doc, doc, "#")
}

func resolved(t testing.TB, doc, n node) node {
	t.Helper()
	ref, ok := n["$ref"].(string)
	if !ok {
		return n
	}
	return at(t, doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// references follows every reference, and finds what nobody refers to.
func references(t *testing.T, doc node, from any, place string) {
	used := map[string]bool{}
	var walk func(v any, place string)
	walk = func(v any, place string) {
		switch v := v.(type) {
		case node:
			if ref, ok := v["$ref"].(string); ok {
				if !strings.HasPrefix(ref, "#/components/") {
					t.Errorf("%s refers to %s", place, ref)
				}
				resolved(t, doc, v)
				used[ref] = true
			}
			for key, next := range v {
				walk(next, place+"/"+key)
			}
		case []any:
			for i, next := range v {
				walk(next, fmt.Sprintf("%s/%d", place, i))
			}
		}
	}
	walk(from, place)
	for _, kind := range []string{"parameters", "responses", "schemas"} {
		for name := range at(t, doc, "components", kind) {
			if !used["#/components/"+kind+"/"+name] {
				t.Errorf("nothing refers to %s %s", kind, name)
			}
		}
	}
}

// types are the Go types of the schemas. What a request may hold is read field by field: see TestRequestsAreDescribed.
var types = map[string]reflect.Type{
	"Problem": reflect.TypeFor[Problem](), "Session": reflect.TypeFor[Session](), "OAuthFlowInitiation": reflect.TypeFor[Initiation](),
	"SuccessResponse": reflect.TypeFor[Success](), "OAuthConfigStatus": reflect.TypeFor[OAuthStatus](), "Client": reflect.TypeFor[Client](),
	"ClientOAuth": reflect.TypeFor[ClientOAuth](), "Delivery": reflect.TypeFor[config.Delivery](), "Outcome": reflect.TypeFor[proxy.Outcome](),
	"Point": reflect.TypeFor[Point](), "TokenStatus": reflect.TypeFor[engine.Status](), "Revoked": reflect.TypeFor[Revoked](),
	"Rotated": reflect.TypeFor[Rotated](),
	"Key":     reflect.TypeFor[Key](), "Metrics": reflect.TypeFor[engine.Metrics](), "Reload": reflect.TypeFor[Reload](),
	"LiveReload": reflect.TypeFor[LiveReload](), "Change": reflect.TypeFor[config.Change](), "Field": reflect.TypeFor[config.Field](),
	"Plan": reflect.TypeFor[Plan](), "LiveState": reflect.TypeFor[LiveState](), "LiveGone": reflect.TypeFor[LiveGone](),
	"Status": reflect.TypeFor[Status](), "Server": reflect.TypeFor[Server](), "Outdated": reflect.TypeFor[Outdated](),
	"Trouble": reflect.TypeFor[Trouble](), "VaultStatus": reflect.TypeFor[vault.Status](),
}

var requests = []string{"ClientRequest", "StdioRequest", "OAuthRequest"}

func TestSchemasAreTheTypes(t *testing.T) {
	schemas := at(t, apiDocument(t), "components", "schemas")
	for name, schema := range schemas {
		typ, ok := types[name]
		switch {
		case slices.Contains(requests, name):
		case !ok:
			t.Errorf("schema %s has no type", name)
		default:
			compareType(t, name, schemas, schema.(node), typ)
		}
	}
	for name := range types {
		if schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
}

// compareType says where a schema is not that of a type. Types with a schema of their own are referred to.
func compareType(t *testing.T, place string, schemas, schema node, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if ref, ok := schema["$ref"].(string); ok {
		if name := strings.TrimPrefix(ref, "#/components/schemas/"); types[name] != typ {
			t.Errorf("%s refers to %s, the type is %s", place, name, typ)
		}
		return
	}
	want := ""
	switch typ.Kind() {
	case reflect.String:
		want = "string"
	case reflect.Bool:
		want = "boolean"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		want = "integer"
	case reflect.Float64:
		want = "number"
	case reflect.Slice:
		want = "array"
		compareType(t, place+"[]", schemas, schema["items"].(node), typ.Elem())
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			want = "string"
			if schema["format"] != "date-time" {
				t.Errorf("%s is a time", place)
			}
			break
		}
		compareStruct(t, place, schemas, schema, typ)
		return
	}
	if got := schema["type"]; got != want && !reflect.DeepEqual(got, []any{want, "null"}) {
		t.Errorf("%s is %v, the type is %s", place, got, typ)
	}
}

func compareStruct(t *testing.T, place string, schemas, schema node, typ reflect.Type) {
	properties, required := node{}, map[string]bool{}
	for _, part := range append([]any{schema}, list(schema["allOf"])...) {
		part := part.(node)
		if ref, ok := part["$ref"].(string); ok {
			part = schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(node)
		}
		if p, ok := part["properties"].(node); ok {
			maps.Copy(properties, p)
		}
		for _, name := range list(part["required"]) {
			required[name.(string)] = true
		}
	}
	for _, f := range jsonFields(typ) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		property, ok := properties[name].(node)
		if !ok {
			t.Errorf("%s has no property %q", place, name)
			continue
		}
		delete(properties, name)
		if optional := strings.HasPrefix(options, "omit"); required[name] == optional {
			t.Errorf("%s.%s: required is %v", place, name, required[name])
		}
		compareType(t, place+"."+name, schemas, property, f.Type)
	}
	for name := range properties {
		t.Errorf("%s has a property %q, the type has none", place, name)
	}
}

// jsonFields are the fields that are written, those of embedded structs too.
func jsonFields(typ reflect.Type) (fields []reflect.StructField) {
	for f := range typ.Fields() {
		switch {
		case f.Anonymous:
			fields = append(fields, jsonFields(f.Type)...)
		case f.IsExported() && f.Tag.Get("json") != "-":
			fields = append(fields, f)
		}
	}
	return fields
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// What a request may hold is what the document says: each field is known, and nothing else is.
func TestRequestsAreDescribed(t *testing.T) {
	schemas := at(t, apiDocument(t), "components", "schemas")
	w := watch(t)
	for _, c := range []struct{ schema, prefix, base string }{
		{"ClientRequest", "", `{"name":"a","connection_string":"https://mcp.example.com/"}`},
		{"StdioRequest", "stdio_config", `{"name":"a","connection_type":"stdio","stdio_config":{}}`},
		{"OAuthRequest", "oauth_config", `{"name":"a","connection_string":"https://mcp.example.com/","auth_type":"oauth","oauth_config":{}}`},
	} {
		schema := at(t, schemas, c.schema)
		if schema["additionalProperties"] != false {
			t.Errorf("%s lets other fields in", c.schema)
		}
		for _, field := range append(slices.Sorted(maps.Keys(at(t, schema, "properties"))), "unheard_of") {
			var request node
			if err := json.Unmarshal([]byte(c.base), &request); err != nil {
				t.Fatal(err)
			}
			in, full := request, field
			if c.prefix != "" {
				in, full = request[c.prefix].(node), c.prefix+"."+field
			}
			in[field] = node{"x": node{}} // is of no field's type
			p := refusal400(t, w, request)
			if p.Field != full && !strings.HasPrefix(p.Field, full+".") {
				t.Errorf("%s: %+v", full, p)
			}
			shown := shownAlone(schema, field)
			if unknown := strings.HasPrefix(p.Error, full+": there is no such field"); unknown != (field == "unheard_of" || shown) {
				t.Errorf("%s: %q", full, p.Error)
			}
			if ignored := slices.Contains(shownOnly, full) || slices.Contains(shownOnlyOAuth, field); ignored != shown {
				t.Errorf("%s is ignored by PUT: %v, readOnly: %v", full, ignored, shown)
			}
		}
	}
	for request, shown := range map[string]string{"ClientRequest": "Client", "OAuthRequest": "ClientOAuth"} {
		for field := range at(t, schemas, shown, "properties") {
			if at(t, schemas, request, "properties")[field] == nil {
				t.Errorf("GET shows %s of %s, which PUT does not take", field, shown)
			}
		}
	}
	known := at(t, schemas, "OAuthRequest", "properties")
	for _, f := range oauthTexts {
		if known[f.json] == nil {
			t.Errorf("oauth_config.%s is not in the document", f.json)
		}
	}
}

// shownAlone reports whether a property is what nobody sets.
func shownAlone(schema node, field string) bool {
	property, _ := schema["properties"].(node)[field].(node)
	return property["readOnly"] == true
}

func refusal400(t *testing.T, w *watched, request any) (p Problem) {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/api/mcp/client", bytes.NewReader(body)))
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || answer.Code != http.StatusBadRequest {
		t.Errorf("%s: %d %s", body, answer.Code, answer.Body)
	}
	return p
}
