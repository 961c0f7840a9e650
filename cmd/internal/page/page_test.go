package page

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

// each gives every file that is served, and fails if there are too few of them to prove anything.
func each(t *testing.T, suffix string, f func(name, text string)) {
	t.Helper()
	names, err := fs.Glob(files, "*"+suffix)
	if err != nil || len(names) == 0 {
		t.Fatalf("files that end in %q: %v %v", suffix, names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		f(name, string(text))
	}
}

func TestWhatIsServed(t *testing.T) {
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/assets/page.css": "text/css; charset=utf-8",
		"/assets/page.js": "text/javascript; charset=utf-8", "/assets/done.js": "text/javascript; charset=utf-8",
		"/assets/favicon.svg": "image/svg+xml",
	} {
		w := get(t, path)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 {
			t.Errorf("%s: %d %q, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		tag := w.Header().Get("ETag")
		if again := get(t, path, "If-None-Match", tag); tag == "" || again.Code != http.StatusNotModified {
			t.Errorf("%s: the same file again, with the tag %q: %d", path, tag, again.Code)
		}
		if w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %q lets a browser keep the page of an older bearerd", path, w.Header().Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/assets/", "/assets/page.go", "/assets/page_test.go", "/assets/index.html", "/assets/..%2fpage.go", "/index.html", "/x"} {
		if w := get(t, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", http.NoBody))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", w.Code)
	}
}

func TestEveryFileHasAType(t *testing.T) {
	each(t, "", func(name, _ string) {
		if _, ext, _ := strings.Cut(name, "."); types["."+ext] == "" {
			t.Errorf("%s has no content type", name)
		}
	})
}

// The policy under which the page is served refuses all of these: they would fail in silence.
func TestNothingIsInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|<script(?:\s[^>]*)?>[^<]|\sstyle\s*=|\son[a-z]+\s*=|javascript:|<base|<iframe|<object`)
	for _, bad := range []string{`<b onclick="x">`, `<p style="x">`, `<script>x</script>`, `<style>`} {
		if !inline.MatchString(bad) {
			t.Errorf("%q is not found", bad)
		}
	}
	each(t, ".html", func(name, text string) {
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s: %q is inline", name, found)
		}
	})
	each(t, ".js", func(name, text string) {
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write(", "eval(", "new Function", `setAttribute("style"`, "localStorage", "document.cookie"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: %s", name, bad)
			}
		}
	})
}

// Examples stand in placeholders and in texts; nothing else may name another host.
func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	address := regexp.MustCompile(`(?i)\b(?:https?|wss?):\\?/\\?/[^\s"'<)]*`)
	known := map[string]bool{"https://mcp.example.com/mcp": true, "https://mcp.example.com/mcp.": true, "http://www.w3.org/2000/svg": true}
	seen := 0
	each(t, "", func(name, text string) {
		for _, found := range address.FindAllString(text, -1) {
			seen++
			if !known[found] {
				t.Errorf("%s names %s", name, found)
			}
		}
		for _, bad := range []string{"@import", "url(", `src="//`, `href="//`} {
			if strings.Contains(text, bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	})
	if seen < 3 {
		t.Errorf("only %d addresses were seen", seen)
	}
}

func TestFilesAreShort(t *testing.T) {
	each(t, "", func(name, text string) {
		if n := strings.Count(text, "\n"); n >= 400 {
			t.Errorf("%s has %d lines", name, n)
		}
	})
}

var ids = regexp.MustCompile(`\sid="([^"]+)"`)

func index(t *testing.T) (text string, have map[string]bool) {
	t.Helper()
	body, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	have = map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(string(body), -1) {
		if have[m[1]] {
			t.Errorf("the id %q is there twice", m[1])
		}
		have[m[1]] = true
	}
	return string(body), have
}

func TestWhatTheScriptLooksUpIsThere(t *testing.T) {
	_, have := index(t)
	lookup := regexp.MustCompile(`(?:byId|valueOf)\("([^"]+)"\)`)
	used := map[string]bool{}
	each(t, ".js", func(name, text string) {
		for _, m := range lookup.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
			if !have[m[1]] {
				t.Errorf("%s looks for %q, which index.html does not have", name, m[1])
			}
		}
	})
	if len(used) < 40 {
		t.Errorf("only %d look-ups were seen", len(used))
	}
}

// Each label and description leads to something, and each field has a label.
func TestNamesOfTheFields(t *testing.T) {
	text, have := index(t)
	refers := regexp.MustCompile(`\s(?:for|aria-labelledby|aria-describedby)="([^"]+)"`)
	labelled := map[string]bool{}
	for _, m := range refers.FindAllStringSubmatch(text, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			labelled[id] = true
			if !have[id] {
				t.Errorf("index.html refers to %q, which it does not have", id)
			}
		}
	}
	fields := regexp.MustCompile(`<(?:input|select|textarea)\s[^>]*`).FindAllString(text, -1)
	for _, field := range fields {
		if id := ids.FindStringSubmatch(field); id == nil || !labelled[id[1]] {
			t.Errorf("%s has no label", field)
		}
	}
	if len(fields) < 15 {
		t.Errorf("only %d fields were seen", len(fields))
	}
}

// A module that is not there, or that has no such name, leaves an empty page.
func TestImportsAreThere(t *testing.T) {
	imports := regexp.MustCompile(`import \{([^}]+)\} from "\./([^"]+)";`)
	seen := 0
	each(t, ".js", func(name, text string) {
		for _, m := range imports.FindAllStringSubmatch(text, -1) {
			from, err := fs.ReadFile(files, m[2])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for word := range strings.SplitSeq(m[1], ",") {
				seen++
				word = strings.TrimSpace(word)
				exported := regexp.MustCompile(`export (?:async )?(?:function|const|class) ` + word + `\b`)
				if !exported.Match(from) {
					t.Errorf("%s wants %s of %s, which has none", name, word, m[2])
				}
				if bytes.Count([]byte(text), []byte(word)) < 2 {
					t.Errorf("%s does not use %s", name, word)
				}
			}
		}
	})
	if seen < 30 {
		t.Errorf("only %d imports were seen", seen)
	}
}
