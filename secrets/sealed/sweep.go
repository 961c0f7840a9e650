package sealed

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"bearerd/secrets/disk"
)

// The names of what a killed process leaves: leftover among the records, room or one that was being written, and leftoverKeys in
// the folder itself, an identity among them.
var (
	leftover     = regexp.MustCompile(`^\.(room-|[0-9a-f]{32}\.age)[0-9]+$`)
	leftoverKeys = regexp.MustCompile(`^\.(identity|recipient)\.txt[0-9]+$`)
)

// sweepTimeout is how long an Open waits for a writer, whose file may be what looks like a leftover.
const sweepTimeout = time.Second

// sweepAtOpen removes what killed processes have left of the keys. It takes the lock only if there is something, so that Open
// works on a read-only disk and beside a Rekey; the next one removes what is left then.
func (s *Store) sweepAtOpen() {
	entries, _ := os.ReadDir(s.dir)
	if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return leftoverKeys.MatchString(e.Name()) }) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sweepTimeout)
	defer cancel()
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return
	}
	defer unlock()
	sweep(s.dir, leftoverKeys)
}

// sweep removes files of these names. The caller holds the store lock, so nobody is writing; room that is still wanted is
// locked.
func sweep(folder string, names *regexp.Regexp) {
	entries, _ := os.ReadDir(folder)
	for _, e := range entries {
		if !names.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(folder, e.Name())
		f, err := disk.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		unwanted, _ := disk.TryLock(f)
		_ = f.Close() // first, as Windows removes no open file
		if unwanted {
			_ = os.Remove(path)
		}
	}
}
