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
		"192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128")},
	{kind{"an unspecified", false}, prefixes("0.0.0.0/8", "::/128")},
	{kind{"a link-local", false}, prefixes("169.254.0.0/16", "fe80::/10")},
	{kind{"a multicast", false}, prefixes("224.0.0.0/4", "ff00::/8")},
	{kind{"a reserved or broadcast", false}, prefixes("240.0.0.0/4")},
	{kind{"a Teredo", false}, prefixes("2001::/32")}, // a tunnel to an IPv4 address that it hides (RFC 4380)
	{kind{"a loopback", true}, prefixes("127.0.0.0/8", "::1/128")},
	{kind{"a private", true}, prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24",
		"198.18.0.0/15", "fc00::/7", "fec0::/10", "64:ff9b:1::/48")},
}

// carriers are the ranges of IPv6 that hold an IPv4 address, in those bytes, to which a router may translate.
var carriers = []struct {
	prefix netip.Prefix
	at     [4]int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), lastBytes},             // NAT64 (RFC 6052)
	{netip.MustParsePrefix("64:ff9b:1::/48"), lastBytes},           // NAT64 of a network (RFC 8215), with its usual /96
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{6, 7, 9, 10}}, // the other forms of RFC 6052 §2.2: /48
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{7, 9, 10, 11}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [4]int{9, 10, 11, 12}},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), lastBytes},    // IPv4-translated (RFC 2765)
	{netip.MustParsePrefix("::/96"), lastBytes},              // IPv4-compatible (RFC 4291 §2.5.5.1)
	{netip.MustParsePrefix("2002::/16"), [4]int{2, 3, 4, 5}}, // 6to4 (RFC 3056)
}

var lastBytes = [4]int{12, 13, 14, 15}

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
	for _, carried := range carriedBy(a) {
		inner := ownKind(carried)
		if inner.name != "" && (own.name == "" || !inner.private) {
			return inner
		}
	}
	return own
}

// carriedBy gives the IPv4 addresses that one of IPv6 may stand for.
func carriedBy(a netip.Addr) []netip.Addr {
	var carried []netip.Addr
	b := a.As16()
	for _, c := range carriers {
		v4 := netip.AddrFrom4([4]byte{b[c.at[0]], b[c.at[1]], b[c.at[2]], b[c.at[3]]})
		blank := c.at != lastBytes && v4.As4()[0] == 0 && c.prefix.Bits() == 48 // it is not of this form
		if c.prefix.Contains(a) && !blank {
			carried = append(carried, v4)
		}
	}
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP, under any prefix (RFC 5214 §6.1)
		carried = append(carried, netip.AddrFrom4([4]byte(b[12:])))
	}
	return carried
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
