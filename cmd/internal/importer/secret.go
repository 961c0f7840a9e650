package importer

import (
	"encoding/json"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"bearerd/inject/proxy"
)

// secretWords are the words in the name of a variable, a header or a flag by which its value is taken for a secret. Too many
// do no harm: what is in the store works just as well.
var secretWords = []string{
	"TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "PWD", "PIN", "KEY", "APIKEY", "CREDENTIAL", "CRED", "AUTH",
	"AUTHORIZATION", "AUTHENTICATION", "COOKIE", "SESSION", "PAT", "DSN", "PRIVATE", "WEBHOOK", "BEARER", "JWT", "SIGNATURE", "SALT", "LICENSE",
}

// secretEnds are the same where they are written together with the word before, as in GITHUBTOKEN.
var secretEnds = []string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "ACCESSKEY", "SECRETKEY", "PRIVATEKEY"}

// plainEnds are last words by which a name is that of something which is no secret itself.
var plainEnds = []string{"PATH", "FILE", "DIR", "FOLDER", "FILENAME", "TYPE", "METHOD", "MODE", "ENABLED", "DISABLED", "EXPIRY", "TTL", "TIMEOUT"}

// namesSecret reports whether a name says that its value is secret.
func namesSecret(name string) bool {
	words := nameWords(name)
	if len(words) == 0 || slices.Contains(plainEnds, words[len(words)-1]) {
		return false
	}
	return slices.ContainsFunc(words, func(word string) bool {
		one := strings.TrimSuffix(word, "S")
		return slices.Contains(secretWords, word) || slices.Contains(secretWords, one) ||
			slices.ContainsFunc(secretEnds, func(end string) bool { return strings.HasSuffix(one, end) })
	})
}

// nameWords splits a name at signs and before capitals: OPENAI_API_KEY, x-api-key and apiKey have the word KEY.
func nameWords(name string) (words []string) {
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToUpper(word.String()))
			word.Reset()
		}
	}
	before := ' '
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
		case unicode.IsUpper(r) && unicode.IsLower(before):
			end()
			word.WriteRune(r)
		default:
			word.WriteRune(r)
		}
		before = r
	}
	end()
	return words
}

// harmless are values that are no secret whatever their name: switches, numbers, words such as "none".
var harmless = regexp.MustCompile(`(?i)^(|true|false|yes|no|on|off|none|null|auto|basic|bearer|oauth2?|[0-9]{1,6}(\.[0-9]+)?[smhd]?)$`)

// password is a name whose value may be a short number.
var password = regexp.MustCompile(`(?i)(pass|pwd|pin|secret)`)

// secretValue reports whether the value of a name is taken for a secret.
func secretValue(name, value string) bool {
	switch {
	case looksSecret(value):
		return true
	case !namesSecret(name), harmless.MatchString(value) && (value == "" || !password.MatchString(name)):
		return false
	}
	return !isPath(value) && !isAddress(value)
}

// known are the forms of secrets that are told by themselves.
var known = regexp.MustCompile(`(?:^|[\s"'=:,;/])(?:gh[pousr]_|github_pat_|glpat-|gl[a-z]{2,5}-|sk-|sk_|[pr]k_(?:live|test)_|xox[a-z]-|xapp-|AKIA|ASIA|` +
	`ya29\.|AIza|npm_|hf_|pypi-|dop_v1_|shp[a-z]{2}_|SG\.|lin_api_|lin_oauth_|ntn_|secret_|figd_|tvly-|pplx-|gsk_|r8_|nvapi-|sq0|EAAC|hvs\.|` +
	proxy.KeyPrefix + `|ATATT|AGE-SECRET-KEY-)[A-Za-z0-9_-]{6}|eyJ[A-Za-z0-9_-]{10,}\.|-----BEGIN |(?i:(?:^|[\s:,])(?:bearer|basic|token) +[^\s$]{6})|` +
	`(?i:password|passwd|pwd|secret|accountkey|sharedaccesskey|api[_-]?key|token)(?:=|: +)[^\s&;,]`)

// looksSecret reports whether a value is one by its looks.
func looksSecret(value string) bool {
	return known.MatchString(value) || holdsPassword(value) || random(value) || secretJSON(value)
}

// secretJSON reports whether a value is JSON in which a key or a value says that it is secret.
func secretJSON(value string) bool {
	var doc any
	if at := strings.TrimLeft(value, " \t\r\n"); at == "" || at[0] != '{' && at[0] != '[' || json.Unmarshal([]byte(value), &doc) != nil {
		return false
	}
	return secretIn("", doc)
}

// secretIn looks into what stands at a key.
func secretIn(key string, value any) bool {
	switch v := value.(type) {
	case string:
		return secretValue(key, v)
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return secretIn(key, item) })
	case map[string]any:
		for name, item := range v {
			if secretIn(name, item) {
				return true
			}
		}
	}
	return false
}

// oddName reports whether the name of a variable that is not set looks like a secret put there in its place.
func oddName(name string) bool {
	has := func(is func(r rune) bool) bool { return strings.ContainsFunc(name, is) }
	return looksSecret(name) || has(unicode.IsUpper) && has(unicode.IsLower) && has(unicode.IsDigit)
}

// told is the name of a variable as a note may say it.
func told(name string) string {
	if oddName(name) {
		return "the variable"
	}
	return name
}

// holdsPassword reports whether a value is a URL with a password before its host.
func holdsPassword(value string) bool {
	_, rest, found := strings.Cut(value, "://")
	if !found {
		return false
	}
	rest, _, _ = strings.Cut(rest, "/")
	at := strings.LastIndex(rest, "@")
	return at > 0 && strings.Contains(rest[:at], ":")
}

// random reports whether a value has a long run of letters and digits without order.
func random(value string) bool {
	if strings.ContainsAny(value, " \t\n") || isPath(value) {
		return false
	}
	runs := strings.FieldsFunc(value, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return slices.ContainsFunc(runs, func(run string) bool {
		digits := strings.IndexFunc(run, unicode.IsDigit) >= 0
		letters := strings.IndexFunc(run, unicode.IsLetter) >= 0
		return len(run) >= 24 && digits && letters && entropy(run) > 3.2
	})
}

// entropy is that of a text by its signs, in bits for each.
func entropy(text string) (bits float64) {
	count := map[rune]float64{}
	for _, r := range text {
		count[r]++
	}
	for _, n := range count {
		share := n / float64(len(text))
		bits -= share * math.Log2(share)
	}
	return bits
}

var pathStart = regexp.MustCompile(`^(/|~/|\.{1,2}/|[A-Za-z]:[\\/])`)

// isPath reports whether a value is the path of a file, not what is in it. Base64 may begin with a slash, too.
func isPath(value string) bool {
	if !pathStart.MatchString(value) || strings.ContainsAny(value, "+=\n") {
		return false
	}
	parts := strings.FieldsFunc(value, func(r rune) bool { return r == '/' || r == '\\' })
	return !slices.ContainsFunc(parts, func(part string) bool { return len(part) >= 36 && !strings.ContainsAny(part, " -_.") })
}

// isAddress reports whether a value is a URL that holds no secret, such as that of a token endpoint. A path without an end
// of its own, as webhooks have it, is told by random.
func isAddress(value string) bool {
	u, err := url.Parse(value)
	return err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && !strings.Contains(strings.ToLower(u.Host+u.Path), "hook")
}

// secretFlag is a flag whose value is secret: --api-key VALUE, --token=VALUE, -e TOKEN=VALUE. The name of a variable is none.
func secretFlag(arg, before string) bool {
	arg = placeholder.ReplaceAllStringFunc(arg, func(at string) string {
		if name := at[len("${") : len(at)-1]; variableName.MatchString(name) && !oddName(name) {
			return ""
		}
		return at
	})
	if looksSecret(arg) || gluedPassword.MatchString(arg) && !gluedPlain.MatchString(arg) {
		return true
	}
	if name, value, found := strings.Cut(arg, "="); found {
		return secretValue(strings.TrimLeft(name, "-"), value)
	}
	if name, value, found := strings.Cut(arg, ":"); found && (before == "--header" || before == "-H") {
		return secretValue(name, strings.TrimSpace(value))
	}
	if longFlag.MatchString(arg) {
		return false
	}
	flag := strings.HasPrefix(before, "-") && !strings.Contains(before, "=")
	return flag && secretValue(strings.TrimLeft(before, "-"), arg)
}

var (
	longFlag      = regexp.MustCompile(`^--[a-z][a-z0-9-]*$`)
	gluedPassword = regexp.MustCompile(`^-p[^-=\s]{3,}$`)                // as mysql takes it
	gluedPlain    = regexp.MustCompile(`^-p([a-z-]+|[0-9:.]+|[./~].*)$`) // another flag, a port, a path
)
