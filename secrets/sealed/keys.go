package sealed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

const (
	identityFile  = "identity.txt"
	recipientFile = "recipient.txt"
	openTimeout   = 30 * time.Second // for another process that sets up or rekeys the same folder
)

// keys are the identities, and the recipients that recipient.txt named when they were checked against it. It is
// never changed, only replaced.
type keys struct {
	ids       []*age.X25519Identity // never empty; the first seals, all open
	sealedFor []string
}

// misfit says that the identities and recipient.txt do not belong together. It does not matter while there is no record.
type misfit struct{ reason string }

func (m *misfit) Error() string { return m.reason }

// openKeys reads the keys, and makes them in a folder without records. It takes the lock only if they do not fit, so
// that it works on a read-only disk.
func (s *Store) openKeys() error {
	err := s.readKeys()
	if !isMisfit(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	unlock, lockErr := s.lockStore(ctx)
	if lockErr != nil {
		return fmt.Errorf("%w; and the folder cannot be written: %w", err, lockErr)
	}
	defer unlock()
	if err = s.readKeys(); !isMisfit(err) {
		return err
	}
	names, listErr := s.recordNames()
	if listErr != nil {
		return listErr
	}
	if len(names) > 0 {
		return err
	}
	return s.makeKeys()
}

func isMisfit(err error) bool {
	_, ok := errors.AsType[*misfit](err)
	return ok
}

// makeKeys gives a folder without records its identity and recipient. The caller holds the store lock.
func (s *Store) makeKeys() error {
	ids, err := s.identities()
	if isMisfit(err) {
		id, genErr := age.GenerateX25519Identity()
		if genErr != nil {
			return genErr
		}
		ids = []*age.X25519Identity{id}
		err = s.writeIdentities(ids)
	}
	if err != nil {
		return err
	}
	return s.writeRecipients(&keys{ids, []string{ids[0].Recipient().String()}})
}

// refresh reads the keys again if recipient.txt says that they changed.
func (s *Store) refresh() error {
	sealedFor, err := s.recipients()
	if err == nil && slices.Equal(sealedFor, s.keys.Load().sealedFor) {
		return nil
	}
	return s.readKeys()
}

// readKeys reads the identities and checks that each recipient in recipient.txt has one.
func (s *Store) readKeys() error {
	sealedFor, err := s.recipients()
	if err != nil {
		return err
	}
	ids, err := s.identities()
	if isMisfit(err) && len(sealedFor) > 0 {
		return &misfit{fmt.Sprintf("%s, and the records are sealed for %s: restore it from a backup, or give that "+
			"identity in the configuration", err, strings.Join(sealedFor, ", "))}
	}
	if err != nil {
		return err
	}
	if len(sealedFor) == 0 {
		return &misfit{fmt.Sprintf("%s is missing, so it is unknown what the records are sealed for: restore it, "+
			"or write the public key of the right identity into it (age-keygen -y prints it)", recipientFile)}
	}
	k := &keys{ids, sealedFor}
	if err := k.fit(s.identity == nil); err != nil {
		return err
	}
	s.keys.Store(k)
	return nil
}

func (k *keys) fit(kept bool) error {
	var have []string
	for _, id := range k.ids {
		have = append(have, id.Recipient().String())
	}
	for _, r := range k.sealedFor {
		if slices.Contains(have, r) {
			continue
		}
		remedy := "give that identity"
		if kept {
			remedy = "restore " + identityFile + " from a backup"
		}
		return &misfit{fmt.Sprintf("it was sealed for %s; the identity given is for %s: %s", r,
			strings.Join(have, ", "), remedy)}
	}
	return nil
}

// identities reads them from where they are kept; a missing identity.txt is a misfit.
func (s *Store) identities() ([]*age.X25519Identity, error) {
	if s.identity != nil {
		text, err := s.identity()
		if err != nil {
			return nil, fmt.Errorf("cannot read the age identity: %w", err)
		}
		ids, err := parseIdentities(text)
		if err != nil {
			return nil, fmt.Errorf("the age identity given: %w", err)
		}
		return ids, nil
	}
	path := filepath.Join(s.dir, identityFile)
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &misfit{identityFile + " is missing"}
	}
	if err != nil {
		return nil, err
	}
	ids, err := parseIdentities(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w; restore it from a backup", path, err)
	}
	return ids, nil
}

// parseIdentities reads an age identity file. It quotes nothing of it: any line may be a key.
func parseIdentities(text string) ([]*age.X25519Identity, error) {
	var ids []*age.X25519Identity
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, err := age.ParseX25519Identity(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is no age identity (AGE-SECRET-KEY-1…)", i+1)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, errors.New("there is no age identity (AGE-SECRET-KEY-1…) in it")
	}
	return ids, nil
}

func (s *Store) writeIdentities(ids []*age.X25519Identity) error {
	var b strings.Builder
	for _, id := range ids {
		fmt.Fprintf(&b, "# public key: %s\n%s\n", id.Recipient(), id)
	}
	return writeFile(filepath.Join(s.dir, identityFile), []byte(b.String()))
}

// recipients reads recipient.txt; none without an error when it is missing.
func (s *Store) recipients() ([]string, error) {
	path := filepath.Join(s.dir, recipientFile)
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lines := strings.Fields(string(text))
	for _, line := range lines {
		if _, err := age.ParseX25519Recipient(line); err != nil {
			return nil, fmt.Errorf("%s must hold age recipients (age1…) only: restore it from a backup", path)
		}
	}
	return lines, nil
}

// writeRecipients makes k the keys of the store. The caller holds the store lock.
func (s *Store) writeRecipients(k *keys) error {
	text := strings.Join(k.sealedFor, "\n") + "\n"
	if err := writeFile(filepath.Join(s.dir, recipientFile), []byte(text)); err != nil {
		return err
	}
	s.keys.Store(k)
	return nil
}

// nameRecipient puts the recipient of the first identity into recipient.txt, before something is sealed for it.
func (s *Store) nameRecipient() error {
	k := s.keys.Load()
	first := k.ids[0].Recipient().String()
	if slices.Contains(k.sealedFor, first) {
		return nil
	}
	return s.writeRecipients(&keys{k.ids, append([]string{first}, k.sealedFor...)})
}
