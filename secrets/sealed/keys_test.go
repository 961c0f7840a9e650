package sealed

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

func newIdentity(t testing.TB) (identity, recipient string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.String(), id.Recipient().String()
}

// given is an identity function that returns the lines, as an age identity file has them.
func given(lines ...string) func() (string, error) {
	return func() (string, error) { return strings.Join(lines, "\r\n"), nil }
}

func wantRecipients(t testing.TB, dir string, want ...string) {
	t.Helper()
	if got := strings.Fields(string(read(t, dir, recipientFile))); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s names %q, want %q", recipientFile, got, want)
	}
}

func TestIdentityIsAgeFile(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "k", "one")
	f, err := os.Open(filepath.Join(dir, identityFile))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	ids, err := age.ParseIdentities(f)
	if err != nil || len(ids) != 1 {
		t.Fatalf("age reads %d identities, %v", len(ids), err)
	}
	wantRecipients(t, dir, ids[0].(*age.X25519Identity).Recipient().String())
}

func TestMissingIdentity(t *testing.T) {
	dir := folder(t)
	set(t, open(t, dir), "k", "one")
	recipient := strings.TrimSpace(string(read(t, dir, recipientFile)))
	identity := read(t, dir, identityFile)
	if err := os.Remove(filepath.Join(dir, identityFile)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, nil, nil)
	wantError(t, err, dir, "identity.txt is missing", "sealed for "+recipient, "restore it from a backup")
	if _, err := os.Stat(filepath.Join(dir, identityFile)); !os.IsNotExist(err) {
		t.Errorf("an identity was made beside records: %v", err)
	}
	overwrite(t, identity, dir, identityFile)
	want(t, open(t, dir), "k", "one")
}

func TestMissingRecipient(t *testing.T) {
	dir := folder(t)
	set(t, open(t, dir), "k", "one")
	if err := os.Remove(filepath.Join(dir, recipientFile)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, nil, nil)
	wantError(t, err, "recipient.txt is missing", "restore it")
	overwrite(t, []byte("AGE-SECRET-KEY-1NOT\n"), dir, recipientFile)
	_, err = Open(dir, nil, nil)
	wantError(t, err, "recipient.txt must hold age recipients")
}

func TestWrongIdentity(t *testing.T) {
	right, rightRecipient := newIdentity(t)
	wrong, wrongRecipient := newIdentity(t)
	dir := folder(t)
	s, _ := openLogged(t, dir, given("# made by a person", "", right))
	set(t, s, "k", "one")
	if _, err := os.Stat(filepath.Join(dir, identityFile)); !os.IsNotExist(err) {
		t.Errorf("an identity from outside was written into the folder: %v", err)
	}
	_, err := Open(dir, given(wrong), nil)
	wantError(t, err, "it was sealed for "+rightRecipient, "given is for "+wrongRecipient, "give that identity")
	overwrite(t, []byte(wrong+"\n"), dir, identityFile)
	_, err = Open(dir, nil, nil)
	wantError(t, err, "it was sealed for "+rightRecipient, "restore identity.txt")
	want(t, s, "k", "one")
	if kept := files(t, dir, "set-aside"); len(kept) > 0 {
		t.Errorf("a wrong identity set records aside: %q", kept)
	}
}

func TestIdentityThatIsNone(t *testing.T) {
	right, _ := newIdentity(t)
	lost := errors.New("credential lost")
	for name, c := range map[string]struct {
		identity func() (string, error)
		want     string
	}{
		"empty":       {given(""), "no age identity"},
		"comments":    {given("# only", "# these"), "no age identity"},
		"cut":         {given("# comment", right[:40]), "line 2 is no age identity"},
		"a recipient": {given("age1qqqqqq"), "line 1 is no age identity"},
		"an error":    {func() (string, error) { return "", lost }, "cannot read the age identity"},
	} {
		_, err := Open(folder(t), c.identity, nil)
		wantError(t, err, c.want)
		if strings.Contains(err.Error(), right[20:40]) {
			t.Errorf("%s: the error shows a part of the identity: %v", name, err)
		}
		if name == "an error" && !errors.Is(err, lost) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
	dir := folder(t)
	open(t, dir)
	overwrite(t, []byte("garbage"), dir, identityFile)
	_, err := Open(dir, nil, nil)
	wantError(t, err, filepath.Join(dir, identityFile), "line 1", "restore it from a backup")
}

func TestIdentityBehindLink(t *testing.T) {
	dir := folder(t)
	open(t, dir)
	path := filepath.Join(dir, identityFile)
	if err := errors.Join(os.Rename(path, path+".real"), os.Symlink(path+".real", path)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, nil, nil)
	wantError(t, err, path, "symbolic link")
}

// Several identities: the first seals, all open, and none may be dropped before Rekey.
func TestSeveralIdentities(t *testing.T) {
	older, olderRecipient := newIdentity(t)
	newer, newerRecipient := newIdentity(t)
	dir := folder(t)
	s, _ := openLogged(t, dir, given(older))
	set(t, s, "old", "one")

	s, log := openLogged(t, dir, given(newer, older))
	want(t, s, "old", "one")
	wantRecipients(t, dir, olderRecipient)
	set(t, s, "new", "two")
	wantRecipients(t, dir, newerRecipient, olderRecipient)
	for _, alone := range []string{older, newer} {
		_, err := Open(dir, given(alone), nil)
		wantError(t, err, "it was sealed for", "give that identity")
	}

	if n, err := s.Rekey(t.Context()); n != 2 || err != nil {
		t.Errorf("Rekey = %d, %v", n, err)
	}
	wantRecipients(t, dir, newerRecipient)
	s, _ = openLogged(t, dir, given(newer))
	want(t, s, "old", "one")
	want(t, s, "new", "two")
	_, err := Open(dir, given(older), nil)
	wantError(t, err, "it was sealed for "+newerRecipient)
	if log.Len() > 0 {
		t.Errorf("the store warned: %s", log)
	}
}

// Without a record there is nothing to lose, so any identity may take over a folder, and a crash in the making is healed.
func TestFolderWithoutRecords(t *testing.T) {
	outside, recipient := newIdentity(t)
	dir := folder(t)
	open(t, dir)
	openLogged(t, dir, given(outside))
	wantRecipients(t, dir, recipient)
	set(t, open(t, dir), "k", "one")

	for _, lost := range []string{identityFile, recipientFile} {
		dir := folder(t)
		open(t, dir)
		if err := os.Remove(filepath.Join(dir, lost)); err != nil {
			t.Fatal(err)
		}
		set(t, open(t, dir), "k", "one")
		want(t, open(t, dir), "k", "one")
	}
}

// A process whose identity lost the folder to another one neither writes what nobody can read nor sets anything aside.
func TestIdentityOverruled(t *testing.T) {
	one, _ := newIdentity(t)
	two, _ := newIdentity(t)
	dir := folder(t)
	early, log := openLogged(t, dir, given(one))
	late, _ := openLogged(t, dir, given(two))
	set(t, late, "k", "one")
	_, _, getErr := early.Get(t.Context(), "k")
	_, putErr := early.Put(t.Context(), "new", nil, "")
	wantError(t, getErr, "it was sealed for")
	wantError(t, putErr, "it was sealed for")
	want(t, late, "k", "one")
	if log.Len() > 0 || len(files(t, dir, "set-aside")) > 0 {
		t.Errorf("something was set aside: %s", log)
	}
}
