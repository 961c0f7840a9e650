package doctor

import (
	"os"

	"bearerd/secrets/disk"
)

const auditFile = "audit.jsonl"

// auditLog looks whether a line could be written, without making the file or changing it: where none can be, every command that
// changes something is refused.
func auditLog(path string) finding {
	info, err := os.Lstat(path)
	switch {
	case err != nil: // the first line makes it; why it could not is told with the folder
		return good("")
	case !info.Mode().IsRegular():
		return bad("move it away", "the audit log %s is no regular file: nothing is changed while no line can be written", path)
	}
	f, err := disk.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if disk.ReadOnly(err) {
		return good("") // the step about the store tells that of the whole folder
	}
	if err != nil {
		return bad("run `chmod 600 "+path+"`, or see to its disk: nothing is changed while no line can be written", "the audit log: %v", err)
	}
	_ = f.Close() // nothing was written
	return good("")
}
