//go:build unix

package sealed

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for a lock whose file is removed meanwhile, by a cleaner, say, must not take the lock of the removed file for the
// one that others hold by now.
func TestALockOfARemovedFileIsNone(t *testing.T) {
	s := open(t, folder(t))
	synctest.Test(t, func(t *testing.T) {
		lock := func() func() {
			unlock, err := s.Lock(t.Context(), "a")
			if err != nil {
				t.Error(err)
				return func() {}
			}
			return unlock
		}
		first := lock()
		waited := make(chan func(), 1)
		go func() { waited <- lock() }()
		synctest.Wait() // it polls the file that first has
		if err := os.Remove(filepath.Join(s.dir, "locks", hashed("a")+".lock")); err != nil {
			t.Fatal(err)
		}
		third := lock() // of a new file
		first()
		time.Sleep(time.Second)
		select {
		case unlock := <-waited:
			unlock()
			t.Fatal("two have the lock: one of the removed file, one of the new one")
		default:
		}
		third()
		(<-waited)()
	})
}

func TestALinkThatIsInTheWayOfALockIsNamed(t *testing.T) {
	s := open(t, folder(t))
	path := filepath.Join(s.dir, "locks", hashed("a")+".lock")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.Symlink("elsewhere", path)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Lock(t.Context(), "a")
	wantError(t, err, path, "symbolic link")
}
