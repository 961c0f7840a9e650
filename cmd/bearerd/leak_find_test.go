package main_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// findLeaks tells which places hold a canary, plainly or in a form in which one travels.
func findLeaks(places map[string]string, canaries []string) (leaks []string) {
	for place, text := range places {
		for _, canary := range canaries {
			if slices.ContainsFunc(forms(canary), func(form string) bool { return strings.Contains(text, form) }) {
				leaks = append(leaks, fmt.Sprintf("%s holds the canary %q", place, canary))
			}
		}
	}
	slices.Sort(leaks)
	return slices.Compact(leaks)
}

// forms are those in which a secret is sent or printed. Base64 is looked for at each of the three places at which the
// value may begin within a group, without the characters that depend on its neighbours.
func forms(value string) []string {
	quoted, escaped := strconv.Quote(value), url.QueryEscape(value)
	found := []string{value, escaped, quoted[1 : len(quoted)-1]}
	for shift := range 3 {
		for _, v := range []string{value, escaped} {
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + v))
			found = append(found, encoded[(shift*8+5)/6:len(encoded)-1])
		}
	}
	return found
}
