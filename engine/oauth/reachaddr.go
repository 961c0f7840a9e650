package oauth

import "net/netip"

// kind of an address. The name is "" for a public one.
type kind struct {
	name    string // with its article
	private bool   // may be reached where that is allowed; else never
}

// kinds in the order in which they are looked for: cloud metadata services live inside ranges of other kinds.
var kinds = []struct {
	kind
	prefixes []netip.Prefix
}{
	{kind{"a cloud metadata", false}, prefixes("169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32",
		"192.0.0.192/32", "fd00:ec2::254/128", "fd20:ce::254/128")},
	{kind{"an unspecified", false}, prefixes("0.0.0.0/8", "::/128")},
	{kind{"a link-local", false}, prefixes("169.254.0.0/16", "fe80::/10")},
	{kind{"a multicast", false}, prefixes("224.0.0.0/4", "ff00::/8")},
	{kind{"a reserved or broadcast", false}, prefixes("240.0.0.0/4")},
	{kind{"a loopback", true}, prefixes("127.0.0.0/8", "::1/128")},
	{kind{"a private", true}, prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24",
		"198.18.0.0/15", "fc00::/7", "fec0::/10", "64:ff9b:1::/48")},
}

// carriers are the ranges of IPv6 that hold an IPv4 address, from that byte on, to which a router may translate.
var carriers = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 of a network (RFC 8215), with its usual /96
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated (RFC 2765)
	{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible (RFC 4291 §2.5.5.1)
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4 (RFC 3056)
}

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, p := range list {
		parsed[i] = netip.MustParsePrefix(p)
	}
	return parsed
}

// plainAddr is a without zone, and IPv4 where it is IPv4 in disguise: no prefix contains an address with a zone.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// addrKind judges an address, and the one that it carries: the stricter of both counts.
func addrKind(a netip.Addr) kind {
	a = plainAddr(a)
	own := ownKind(a)
	if own.name != "" && own.name != "a private" || !a.Is6() {
		return own
	}
	for _, c := range carriers {
		if !c.prefix.Contains(a) {
			continue
		}
		b := a.As16()
		inner := ownKind(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		if inner.name != "" && (own.name == "" || !inner.private) {
			return inner
		}
	}
	return own
}

func ownKind(a netip.Addr) kind {
	for _, k := range kinds {
		for _, p := range k.prefixes {
			if p.Contains(a) {
				return k.kind
			}
		}
	}
	return kind{}
}
