package clients

var vscode = &Format{
	Name: "vscode", Title: "VS Code", Also: "vs-code", toml: false,
	in:   []string{"servers"},
	drop: []string{"type", "command", "args", "env", "envFile", "cwd", "url", "headers", "oauth"},
}
