package config

import (
	"fmt"
	"slices"
	"strings"
)

// The options of curl that take the next argument as their value. One that is missing here makes its value look like a
// second address, which is refused; one that is here wrongly would hide an address. So only sure ones are listed.
const curlShortValues = "AbcCdDeEFHKmoPQrtTuUwxXyYz"

var curlLongValues = []string{
	"--cacert", "--capath", "--cert", "--cert-type", "--ciphers", "--connect-timeout", "--connect-to", "--cookie",
	"--cookie-jar", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--dump-header", "--form",
	"--form-string", "--header", "--interface", "--json", "--key", "--key-type", "--limit-rate", "--max-filesize",
	"--max-redirs", "--max-time", "--noproxy", "--output", "--output-dir", "--pass", "--proxy", "--proxy-header",
	"--proxy-user", "--range", "--referer", "--request", "--request-target", "--resolve", "--retry", "--retry-delay",
	"--retry-max-time", "--speed-limit", "--speed-time", "--stderr", "--tls-max", "--trace", "--trace-ascii",
	"--unix-socket", "--upload-file", "--url-query", "--user", "--user-agent", "--write-out",
}

// curlURLs are the indexes of the arguments that curl takes for addresses. unsafe names an option by which a token could
// reach an address that is not among the arguments, "" when there is none.
func curlURLs(args []string) (urls []int, unsafe string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			for i++; i < len(args); i++ {
				urls = append(urls, i)
			}
		case arg == "--url":
			i++
			if i < len(args) {
				urls = append(urls, i)
			}
		case curlUnsafe(arg):
			unsafe = "--location-trusted"
			if !strings.HasPrefix(arg, "--l") {
				unsafe = "-K"
			}
		case slices.Contains(curlLongValues, arg), curlShortTakesNext(arg):
			i++
		case len(arg) < 2 || arg[0] != '-':
			urls = append(urls, i)
		}
	}
	return urls, unsafe
}

// curlUnsafe finds -K and --config, which read addresses from a file, and --location-trusted, which shows the token to
// whomever a redirect names. Older versions of curl accept shortened names.
func curlUnsafe(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return strings.HasPrefix(arg, "-K") || strings.HasPrefix(name, "--conf") || strings.HasPrefix(name, "--location-t") ||
		curlCluster(arg) == 'K'
}

// curlShortTakesNext reports whether the last of a group of one-letter options, as in -sSo FILE, wants a value.
func curlShortTakesNext(arg string) bool {
	return curlCluster(arg) != 0 && strings.IndexByte(curlShortValues, arg[len(arg)-1]) >= 0 &&
		strings.IndexAny(arg, curlShortValues) == len(arg)-1
}

// curlCluster is the first letter of a group of one-letter options that takes a value; 0 when none does.
func curlCluster(arg string) byte {
	if len(arg) < 2 || arg[0] != '-' || arg[1] == '-' {
		return 0
	}
	if i := strings.IndexAny(arg, curlShortValues); i > 0 {
		return arg[i]
	}
	return 0
}

// curlShows reports whether an option makes curl print the headers that it sends, the token among them: -v, --verbose
// and the --trace ones.
func curlShows(arg string) bool {
	if strings.HasPrefix(arg, "--") {
		return strings.HasPrefix(arg, "--verb") || strings.HasPrefix(arg, "--trace")
	}
	letters := arg
	if i := strings.IndexAny(arg, curlShortValues); i >= 0 {
		letters = arg[:i]
	}
	return strings.HasPrefix(arg, "-") && strings.Contains(letters, "v")
}

// curlArguments checks that curl sends the token to one https address only.
func (c check) curlArguments() {
	urls, unsafe := curlURLs(c.Args)
	switch {
	case slices.ContainsFunc(c.Args, curlShows):
		c.fail(c.block, "args", "args make curl print the token: -v, --verbose and --trace show the headers that it sends",
			"remove it")
	case unsafe != "":
		c.fail(c.block, "args", "args hold "+unsafe+": curl could send the token to an address that is not in args",
			"remove it, and write the address and the options into args")
	case len(urls) != 1:
		c.fail(c.block, "args", fmt.Sprintf("curl needs exactly one http(s) URL in args, found %d", len(urls)),
			"each address that curl is given gets the token: keep one, and no other argument than options")
	case !isHTTP(c.Args[urls[0]]):
		c.fail(c.block, "args", "curl takes an argument for an address that does not start with http:// or https://",
			"write the whole URL, and no other argument than options")
	default:
		if _, ok := c.parseURL(c.block, "args", "the URL in args", c.Args[urls[0]]); ok {
			c.tokenTarget(c.block, "args", "the URL in args", c.Args[urls[0]])
		}
	}
}
