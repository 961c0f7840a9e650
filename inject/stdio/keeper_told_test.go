//go:build unix

package stdio

import (
	"syscall"
	"testing"

	"bearerd/secrets"
)

// A keeper is told of changes and signals from when it is made, whether it runs yet or not.
func TestAKeeperIsToldWhileItBegins(t *testing.T) {
	c := keep(t, spawning{})
	c.k.Changed()
	c.k.Signal(syscall.SIGURG) // which ends nobody
	c.k.Hide(secrets.New("a later token"))
	c.open()
}

func TestAChangeBeforeRunIsKept(t *testing.T) {
	k := NewKeeper("search", nil, nil)
	k.Changed()
	select {
	case <-k.changed:
	default:
		t.Error("it is forgotten")
	}
}
