package config

import (
	"crypto/sha256"

	"github.com/hashicorp/hcl/v2"
)

// cache is what the files of one load hold, of those in which nothing was found while they were parsed and decoded. A
// Watcher hands it on to its next load: of thousands of servers one is edited at a time.
type cache map[key]*content

// key is all that the content of a file depends on, but for the mount of Vault.
type key struct {
	path, dir string
	exposed   bool
	sum       [sha256.Size]byte
}

func (s *source) key() key { return key{s.path, s.dir, s.exposed, s.sum} }

// content is one file, decoded as far as that does not depend on others. In a cache it is never changed.
type content struct {
	src     *source
	roots   hcl.Blocks // beside servers: few, and decoded at each load
	blocks  hcl.Blocks // the servers; nil once they are decoded
	decoded bool
	servers []*written // as they are written: nothing inherited, nothing validated
	mount   string     // see vaultMount
}

// content is what s holds, from the cache if it is there.
func (l *loader) content(s *source) *content {
	if c := l.known[s.key()]; c != nil {
		return c
	}
	return l.split(s)
}

func (l *loader) split(s *source) *content {
	c, found := &content{src: s}, len(l.diags)
	for _, hb := range l.rootContent(s) {
		if hb.Type == "server" {
			c.blocks = append(c.blocks, hb)
		} else {
			c.roots = append(c.roots, hb)
		}
	}
	if s.made {
		l.made(s)
	}
	s.contents = nil // a cache keeps no syntax tree
	s.clean = s.clean && found == len(l.diags)
	return c
}

// servers are those of a file, for the caller to change. The vault block is decoded before them.
func (l *loader) servers(c *content) []*written {
	mount := l.vaultMount()
	if c.decoded && c.mount != mount {
		c = l.again(c)
	}
	if !c.decoded {
		found := len(l.diags)
		for _, hb := range c.blocks {
			c.servers = append(c.servers, l.server(c.src, hb))
		}
		c.blocks, c.decoded, c.mount = nil, true, mount
		c.src.clean = c.src.clean && found == len(l.diags)
	}
	if l.kept == nil || !c.src.clean {
		return c.servers
	}
	l.kept[c.src.key()] = c
	copies := make([]*written, len(c.servers))
	for i, w := range c.servers {
		copies[i] = w.copy()
	}
	return copies
}

// again is a file of the cache before its servers are decoded.
func (l *loader) again(c *content) *content {
	s := *c.src
	l.parse(&s) // there is no error: it did parse
	return l.split(&s)
}

// vaultMount is what decoding depends on beside the file: whether there is a vault block, and its mount. See checkVault.
func (l *loader) vaultMount() string {
	if l.connection == nil {
		return ""
	}
	return "mount " + l.connection.Mount
}

// copy leaves w as it is when the copy inherits and is validated. Its maps and lists are shared: nobody changes them.
func (w *written) copy() *written {
	s := *w.Server
	if s.OAuth != nil {
		o := *s.OAuth
		s.OAuth = &o
	}
	return &written{Server: &s, block: w.block.copy(), oauth: w.oauth.copy()}
}

func (b *block) copy() *block {
	if b == nil {
		return nil
	}
	c := *b
	c.failed = nil // as in every block in which nothing was found
	return &c
}
