package sealed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Place tells the folder on this machine from a copy of it, such as a restored backup: the SHA-256, in hexadecimal, of the
// machine's id, the folder's inode number and, on Linux, when the folder was made, because inode numbers are used
// again there. Renaming the folder and restarting change nothing of it. Copying the whole disk does not either:
// a snapshot of a virtual machine looks like the machine itself.
//
// It is "" where neither the machine's id nor the time is to be had: then a copy cannot be told.
func (s *Store) Place() string {
	return place(machineID(), inode(s.dir), madeAt(s.dir))
}

func place(machine string, inode uint64, made string) string {
	if machine == "" && made == "" {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "bearerd state folder\n%s\n%d\n%s\n", machine, inode, made))
	return hex.EncodeToString(sum[:])
}

// Network names the network file system that the folder lies on, where locks cannot be trusted: "NFS", "SMB", "9p", "AFP"
// or "WebDAV". It is "" for every other one, which includes all that run on FUSE.
func (s *Store) Network() string { return networks[fileSystem(s.dir)] }

// networks are named by what macOS calls the file system's type; 9p is of Linux alone.
var networks = map[string]string{"nfs": "NFS", "smbfs": "SMB", "9p": "9p", "afpfs": "AFP", "webdav": "WebDAV"}
