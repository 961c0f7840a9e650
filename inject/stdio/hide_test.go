//go:build unix

package stdio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bearerd/secrets"
)

// What is hidden later is masked by the process that runs, and by those that follow; of many, the last few are.
func TestHide(t *testing.T) {
	c := keep(t, spawning{restart: "on_failure"})
	c.open()
	for n := range mostHidden + 1 {
		c.k.Hide(secrets.New(fmt.Sprintf("later token %d", n)))
	}
	for id := range 2 {
		for _, n := range []int{0, 1, mostHidden} {
			c.say(`{"jsonrpc":"2.0","method":"notifications/x","params":{"name":"print %d later token %d."}}`, id, n)
		}
		c.call(10+id, "")
		c.hears(fmt.Sprintf(`"id":%d,"result"`, 10+id))
		want := fmt.Sprintf("%d later token 0.\n[search] %d [masked].\n[search] %d [masked].\n", id, id, id)
		for deadline := time.Now().Add(mostPatience); !strings.Contains(c.said.String(), want); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it said\n%s, want\n%s", c.said, want)
			}
		}
		c.call(20+id, "exit 1")
		c.hears("server_ended")
	}
}

// A later secret may be longer than the ones that a process was started with.
func TestALaterSecretAtABorder(t *testing.T) {
	l := launchWith(t, canary)
	e := newStderr(nil, "search", l, nil)
	long := strings.Repeat("0123456789abcdef", 1<<8)
	l.hide([]secrets.Secret{secrets.New(long)})
	line := strings.Repeat("\x1b[m", (e.window-len(long)/2)/3) // of which nothing is shown
	if shown := string(e.clean([]byte(line+long[:len(long)/2]), len(long)/2)); strings.Contains(shown, "0123") {
		t.Error("a part of it is shown")
	}
	if shown := string(e.clean([]byte("a "+long), 0)); shown != "a [masked]" {
		t.Errorf("%.100q", shown)
	}
}
