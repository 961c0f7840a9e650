package clients

var zed = &Format{
	Name: "zed", Title: "Zed", Also: "", toml: false,
	in:   []string{"context_servers"},
	drop: []string{"source", "command", "args", "env", "url", "headers"},
}
