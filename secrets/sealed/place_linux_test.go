package sealed

import (
	"path/filepath"
	"testing"
)

func TestMachineID(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "machine-id"), filepath.Join(dir, "dbus")
	before := machineIDs
	t.Cleanup(func() { machineIDs = before })
	machineIDs = []string{first, second}
	want := func(id string) {
		t.Helper()
		if got := machineID(); got != id {
			t.Errorf("the machine's id is %q, want %q", got, id)
		}
	}
	want("")
	overwrite(t, []byte("5b0fdbus\n"), second)
	want("5b0fdbus")
	for _, none := range []string{"", "\n", "uninitialized\n"} {
		overwrite(t, []byte(none), first)
		want("5b0fdbus")
	}
	overwrite(t, []byte("c0ffee\n"), first)
	want("c0ffee")
}

func TestNetworkByMagic(t *testing.T) { // statfs(2)
	for magic, want := range map[uint32]string{
		0x6969: "NFS", 0x517B: "SMB", 0xFF534D42: "SMB", 0xFE534D42: "SMB", 0x01021997: "9p",
		0xEF53: "", 0x01021994: "", 0x65735546: "", // ext4, tmpfs, FUSE
	} {
		if got := networks[networkType(magic)]; got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
	if got := fileSystem("/proc"); got != "" {
		t.Errorf("/proc is on %q", got)
	}
}
