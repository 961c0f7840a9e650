package peer

import "testing"

// A number beyond those that the kernel has would be another one there, or change nothing.
func TestNumbers(t *testing.T) {
	for name, want := range map[string]bool{
		"0": true, "61237": true, "4294967294": true, "4294967295": false, "4294967296": false, "99999999999": false, "-1": false, "+61237": false,
		"": false, "0x1": false, " 61237": false, "18446744073709551616": false,
	} {
		if gid, ok := GroupID(name); ok != want {
			t.Errorf("group %q: %d, %t", name, gid, ok)
		}
		if uid, ok := UserID(name); ok != want {
			t.Errorf("user %q: %d, %t", name, uid, ok)
		}
	}
}
