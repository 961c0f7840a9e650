package app

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestUnwritable(t *testing.T) {
	for head, kept := range map[string]bool{
		"00400000-00a12000 r-xp 00000000 08:01 42 /usr/bin/bearerd": false,
		"00a12000-01000000 r--p 00612000 08:01 42 /usr/bin/bearerd": false,
		"01000000-01100000 rw-p 00c00000 08:01 42 /usr/bin/bearerd": true,
		"01000000-01100000 r--s 00c00000 08:01 42 /usr/bin/bearerd": true,
		"nonsense /usr/bin/bearerd":                                 true,
	} {
		if from, to := unwritable(head); (from == 0) != kept || !kept && to <= from {
			t.Errorf("%q: %x to %x", head, from, to)
		}
	}
}

// programPage maps the first page of this program, as the loader does.
func programPage(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	defer func() { _ = f.Close() }()
	page, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(page) })
	return page
}

// What the loader writes before it forbids further writes, when it relocates a program that may lie anywhere, is not in the
// file: giving those pages back would undo it.
func TestSlimKeepsWhatWasWritten(t *testing.T) {
	page := programPage(t)
	page[0]++
	want := page[0]
	if err := unix.Mprotect(page, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	slim()
	if page[0] != want {
		t.Error("what was written is gone")
	}
}

// What the file holds as well is given back.
func TestSlimGivesBackPagesOfTheProgram(t *testing.T) {
	page := programPage(t)
	if err := unix.Mprotect(page, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	if page[0] != '\x7f' || !present(t, page) { // reading brings it in
		t.Fatal("this is not the first page of the program")
	}
	slim()
	if present(t, page) {
		t.Error("the page is still there")
	}
}

// present reports whether a page is mapped at the moment.
func present(t *testing.T, page []byte) bool {
	t.Helper()
	pagemap, err := os.Open("/proc/self/pagemap")
	if err != nil {
		t.Skip("no pagemap: ", err)
	}
	defer func() { _ = pagemap.Close() }()
	var entry [8]byte
	number := uintptr(unsafe.Pointer(&page[0])) / uintptr(len(page))
	if _, err := pagemap.ReadAt(entry[:], int64(number)*8); err != nil {
		t.Skip("no pagemap: ", err)
	}
	return binary.NativeEndian.Uint64(entry[:])>>63 == 1
}
