package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"bearerd/cmd/internal/importer"
)

// importReport is what `import --json` prints. No value of a client's file is in it.
type importReport struct {
	DryRun bool           `json:"dry_run"`
	File   string         `json:"file,omitempty"` // that servers were, or would be, added to; "": none is new
	Text   string         `json:"text,omitempty"` // with --dry-run: what would be added
	Files  []importedFile `json:"files"`
}

type importedFile struct {
	Path    string          `json:"path"`
	Client  string          `json:"client,omitempty"`
	Error   string          `json:"error,omitempty"`
	Backup  string          `json:"backup,omitempty"` // the file as it was: it may hold secrets as plain text
	Left    []int           `json:"left,omitempty"`   // lines of the file as it is now that hold what looks like a secret
	Lost    []string        `json:"lost,omitempty"`
	Servers []importedEntry `json:"servers"`
}

type importedEntry struct {
	Entry   string   `json:"entry"` // its name in the file
	Server  string   `json:"server,omitempty"`
	Result  string   `json:"result"` // added, present, uses_bearerd, left_out
	Why     string   `json:"why,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Secrets []string `json:"secrets,omitempty"` // names in the store
	Wanted  []string `json:"wanted,omitempty"`  // names in the store that a person has to set
}

func (o *importing) report() error {
	r := importReport{DryRun: o.dryRun, Files: []importedFile{}}
	if len(o.names()) > 0 {
		r.File = o.place.file
	}
	for _, f := range o.files {
		r.Files = append(r.Files, f.report())
	}
	if o.asJSON {
		if o.dryRun {
			r.Text = string(o.text(true))
		}
		return printJSON(o.cmd, r)
	}
	if o.dryRun {
		_, _ = o.cmd.OutOrStdout().Write(o.text(true))
	}
	o.explain(o.cmd.ErrOrStderr(), r)
	return nil
}

func (f *imported) report() importedFile {
	r := importedFile{Path: f.path, Backup: f.backup, Left: f.left, Servers: []importedEntry{}}
	if f.err != nil {
		r.Error = f.err.Error()
	}
	if f.file != nil {
		r.Client, r.Lost = f.file.Format.Name, f.file.Lost
	}
	for _, t := range f.taken {
		e := importedEntry{
			Entry: t.Name, Result: resultOf(t), Why: t.Why, Notes: t.Notes, Secrets: slices.Sorted(maps.Keys(t.Secrets)), Wanted: t.Wanted,
		}
		if t.Server != nil {
			e.Server = t.Server.Name
		}
		r.Servers = append(r.Servers, e)
	}
	return r
}

func resultOf(t importer.Taken) string {
	switch {
	case t.Own:
		return "uses_bearerd"
	case t.Server == nil:
		return "left_out"
	case t.Old:
		return "present"
	}
	return "added"
}

// explain says the same to a person.
func (o *importing) explain(w io.Writer, r importReport) {
	for i, f := range r.Files {
		title := ""
		if o.files[i].file != nil {
			title = " (" + o.files[i].file.Format.Title + ")"
		}
		_, _ = fmt.Fprintf(w, "%s%s\n", shown(f.Path), title)
		for j, e := range f.Servers {
			_, _ = fmt.Fprintf(w, "  %s: %s\n", shown(e.Entry), o.became(o.files[i].taken[j]))
			for _, note := range e.Notes {
				_, _ = fmt.Fprintf(w, "      %s\n", shown(note))
			}
		}
		for _, lost := range f.Lost {
			_, _ = fmt.Fprintf(w, "  not carried over: %s\n", shown(lost))
		}
		if f.Error == "" && len(f.Servers) == 0 {
			_, _ = fmt.Fprintln(w, "  there is no server in it")
		}
		if f.Backup != "" {
			_, _ = fmt.Fprintf(w, "  it uses bearerd now; as it was, it is kept as %s, which may hold secrets as plain text: "+
				"remove it when all works\n", shown(f.Backup))
		}
		if len(f.Left) > 0 {
			_, _ = fmt.Fprintf(w, "  it still holds what looks like a secret: line %s\n", lines(f.Left))
		}
		if f.Error != "" {
			_, _ = fmt.Fprintf(w, "  error: %s\n", shown(f.Error))
		}
	}
	o.next(w, r)
}

// lines are the first few of a list.
func lines(list []int) string {
	const most = 10
	more := ""
	if len(list) > most {
		more, list = fmt.Sprintf(" and %d more", len(list)-most), list[:most]
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ", ") + more
}

// became says in words what an entry is now.
func (o *importing) became(t importer.Taken) string {
	added := "added"
	if o.dryRun {
		added = "would be added"
	}
	switch resultOf(t) {
	case "uses_bearerd":
		return "uses bearerd already"
	case "left_out":
		return "left out: " + shown(t.Why)
	case "present":
		added = "left out: the configuration has it"
	}
	if t.Server.Name != t.Name {
		added += fmt.Sprintf(" as %q", t.Server.Name)
	}
	if n := len(t.Secrets); n > 0 && !t.Old {
		added += fmt.Sprintf(", %d in the store", n)
	}
	return added
}

// next says what to do now.
func (o *importing) next(w io.Writer, r importReport) {
	if r.File == "" {
		return
	}
	if o.dryRun {
		_, _ = fmt.Fprintf(w, "Nothing was changed. Without --dry-run this goes into %s.\n", shown(r.File))
		return
	}
	_, _ = fmt.Fprintf(w, "Added to %s. What is left to do:\n", shown(r.File))
	for _, f := range o.files {
		for _, t := range f.taken {
			for _, name := range t.Wanted {
				_, _ = fmt.Fprintf(w, "  bearerd secret set %s\n", name)
			}
		}
	}
	for _, f := range o.files {
		for _, t := range f.taken {
			if t.Text != nil && t.Server.OAuth != nil && t.Server.OAuth.Enabled && t.Server.OAuth.Delegated() {
				_, _ = fmt.Fprintf(w, "  bearerd login %s\n", t.Server.Name)
			}
		}
	}
	_, _ = fmt.Fprintln(w, "  bearerd check\n  bearerd doctor")
	_, _ = fmt.Fprintln(w, "The programs get PATH, HOME and few variables more of the client's environment: what they need beyond that is named "+
		"by pass_env = [\"NAME\"].")
	if !o.write {
		_, _ = fmt.Fprintln(w, "The client's file is as it was: --write makes it use bearerd, "+
			"`bearerd client-config NAME --for CLIENT` prints what goes there.")
	}
}

// shown makes what a file says safe for a terminal.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
