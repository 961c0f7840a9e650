package config

import "github.com/hashicorp/hcl/v2"

// StatePath is the state folder that the configuration at path names, as far as that can be read: while a file is broken, a
// daemon goes on with the one before, and a command still wants to find it. It is "" when nothing can be read.
func StatePath(path string) string {
	l := &loader{}
	l.find(path)
	l.parseAll()
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "store", LabelNames: []string{"name"}}}}
	for _, s := range l.sources {
		if s.contents == nil {
			continue
		}
		content, _, _ := s.contents.PartialContent(schema) // what is wrong with it is found by Load
		for _, b := range content.Blocks {
			var store Store
			if b.Labels[0] != "file" {
				continue
			}
			if l.decode(&block{src: s}, b.Body, &store); store.Path != "" {
				return store.Path
			}
		}
	}
	if len(l.sources) == 0 {
		return ""
	}
	return l.statePath(l.sources[0])
}

// LoadServer is Load for whoever needs one server: what is wrong with another server's block is a warning.
func LoadServer(path, name string) (*Config, Diagnostics) {
	l := &loader{}
	l.find(path)
	_, attempted := l.finish()
	for i, d := range l.diags {
		if d.Severity == Error && d.Server != "" && d.Server != name {
			l.diags[i].Severity = Warning
		}
	}
	if l.diags.HasErrors() {
		return nil, l.diags
	}
	return attempted, l.diags
}
