package clients

import (
	"regexp"
	"slices"
	"strings"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// literal is the text of a client that puts nothing in.
func literal(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{{Literal: text}}
}

// add appends a part; two literal ones become one.
func (t Text) add(p Part) Text {
	if p == (Part{}) {
		return t
	}
	if last := len(t) - 1; last >= 0 && p.Literal != "" && t[last].Literal != "" {
		t[last].Literal += p.Literal
		return t
	}
	return append(t, p)
}

// braced is what braces may replace.
var braced = regexp.MustCompile(`\$\{`)

// longest is how long what stands between braces may be.
const longest = 4096

// braces is a text in which ${NAME} stands for what part makes of NAME; where that is nothing, it stays as it is written.
func braces(text string, part func(name string) (Part, bool)) Text {
	out, from, end := Text{}, 0, 0 // from: what is not in out yet; end: the next closing brace that is known
	for at := 0; ; {
		open := strings.Index(text[at:], "${")
		if open < 0 {
			break
		}
		at += open + len("${")
		if end < at {
			n := strings.IndexByte(text[at:], '}')
			if n < 0 {
				break
			}
			end = at + n
		}
		if end-at > longest {
			continue
		}
		if p, ok := part(text[at:end]); ok {
			out = out.add(Part{Literal: text[from : at-len("${")]}).add(p)
			at, from = end+1, end+1
		}
	}
	return out.add(Part{Literal: text[from:]})
}

// shellBraces reads ${VAR} and ${VAR:-default} (Claude Code).
func shellBraces(text string) Text { return braces(text, shellVariable) }

func shellVariable(name string) (Part, bool) {
	name, fallback, has := strings.Cut(name, ":-")
	p := Part{Variable: name}
	if has {
		p.Default = &fallback
	}
	return p, variable.MatchString(name)
}

// known are the placeholders of the editors that only they can fill.
var known = []string{
	"workspaceFolder", "workspaceFolderBasename", "workspaceRoot", "workspaceRootFolderName", "userHome", "pathSeparator", "/", "cwd",
	"execPath", "extensionInstallFolder", "file", "fileBasename", "fileDirname", "relativeFile", "selectedText",
}

// editorVariable reads ${env:VAR} and what an editor itself knows (Cursor, VS Code).
func editorVariable(name string) (Part, bool) {
	if v, ok := strings.CutPrefix(name, "env:"); ok {
		return Part{Variable: v}, variable.MatchString(v)
	}
	kind, _, _ := strings.Cut(name, ":")
	return Part{Other: name}, slices.Contains(known, name) ||
		kind != name && (slices.Contains(known, kind) || kind == "command" || kind == "config")
}

func editorBraces(text string) Text { return braces(text, editorVariable) }

// fileBraces reads ${env:VAR} and ${file:/path} (Windsurf).
func fileBraces(text string) Text {
	return braces(text, func(name string) (Part, bool) {
		if path, ok := strings.CutPrefix(name, "file:"); ok {
			return Part{Path: path}, path != ""
		}
		v, ok := strings.CutPrefix(name, "env:")
		return Part{Variable: v}, ok && variable.MatchString(v)
	})
}

// dollar is a place of Gemini CLI: $VAR, ${VAR} or ${VAR:-default}.
var dollar = regexp.MustCompile(`\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\})`)

// usualName is the form of the names that people give to variables.
var usualName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$`)

// dollars reads the places of Gemini CLI. What is not set stays there as it is written, as many a password has a $ in it; but
// a ${NAME}, and a $NAME that stands alone or begins a word and has a _, is a variable that is missing if it is named as most are.
func dollars(text string) Text {
	out, end := Text{}, 0
	for _, at := range dollar.FindAllStringSubmatchIndex(text, -1) {
		out = out.add(Part{Literal: text[end:at[0]]})
		end = at[1]
		written := text[at[0]:end]
		p := Part{Default: &written}
		if at[2] >= 0 {
			p.Variable = text[at[2]:at[3]]
		} else {
			p.Variable = text[at[4]:at[5]]
		}
		alone := at[2] < 0 || (at[0] == 0 || text[at[0]-1] == ' ') && (end == len(text) || text[end] == ' ') ||
			strings.Contains(p.Variable, "_") && (at[0] == 0 || strings.ContainsAny(text[at[0]-1:at[0]], "/:=,"))
		switch {
		case at[6] >= 0:
			fallback := text[at[6]+len(":-") : at[7]]
			p.Default = &fallback
		case alone && usualName.MatchString(p.Variable):
			p.Default = nil
		}
		out = out.add(p)
	}
	return out.add(Part{Literal: text[end:]})
}
