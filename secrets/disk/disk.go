// Package disk is what bearerd asks of a file system and every system does in its own way: to replace a file whole, to lock
// one, to open one that is no link, to say whose it is and how
// much room is left. It knows nothing of what is in the files.
package disk

import (
	"errors"
	"os"
)

// ErrLink is the error of OpenFile for a symbolic link.
var ErrLink = errors.New("it is a symbolic link")

// Foreign reports whether a file belongs to another user than the one who runs this process, and to whom, as far as that can
// be told.
func Foreign(info os.FileInfo) (uid int, yes bool) {
	uid, ok := owner(info)
	return uid, ok && uid != os.Geteuid()
}
