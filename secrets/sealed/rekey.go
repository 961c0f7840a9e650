package sealed

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"filippo.io/age"

	"bearerd/secrets"
)

// Rekey seals every record anew and returns how many: for a fresh identity when it is kept in the folder, which then
// forgets the old one, else for the first identity given. After an error or a crash everything can still be read, and
// another Rekey finishes the work. Processes that have the store open go on working.
func (s *Store) Rekey(ctx context.Context) (records int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return 0, fmt.Errorf("store %s: cannot rekey: %w", s.dir, err)
	}
	defer unlock()
	sweep(s.dir, leftoverKeys) // with an identity that is to be forgotten, maybe
	sweep(filepath.Dir(s.recordPath("")), leftover)
	records, err = s.rekey(ctx)
	if err != nil {
		return records, fmt.Errorf("store %s: rekeying stopped after %d records, all of which can be read; run it again: %w",
			s.dir, records, err)
	}
	return records, nil
}

func (s *Store) rekey(ctx context.Context) (int, error) {
	if err := s.readKeys(); err != nil {
		return 0, err
	}
	if err := s.addIdentity(); err != nil {
		return 0, err
	}
	if err := s.nameRecipient(); err != nil {
		return 0, err
	}
	if err := s.at("named"); err != nil {
		return 0, err
	}
	n, err := s.resealAll(ctx)
	if err != nil {
		return n, err
	}
	return n, s.forgetIdentities()
}

// addIdentity puts a fresh identity before those in identity.txt. Nothing is sealed for it yet.
func (s *Store) addIdentity() error {
	if s.identity != nil {
		return nil
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	k := s.keys.Load()
	ids := append([]*age.X25519Identity{id}, k.ids...)
	if err := s.writeIdentities(ids); err != nil {
		return err
	}
	s.keys.Store(&keys{ids, k.sealedFor})
	return s.at("added")
}

func (s *Store) resealAll(ctx context.Context) (int, error) {
	names, err := s.recordNames()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		r, err := s.loadLocked(name)
		if errors.Is(err, secrets.ErrNotFound) {
			continue // set aside just now
		}
		if err == nil {
			err = s.write(r)
		}
		if err != nil {
			return n, fmt.Errorf("the record %s: %w", name, err)
		}
		n++
		if err := s.at("resealed"); err != nil {
			return n, err
		}
	}
	return n, nil
}

// forgetIdentities leaves the first identity alone: in recipient.txt first, so that none is missing at any moment.
func (s *Store) forgetIdentities() error {
	k := s.keys.Load()
	ids := k.ids
	if s.identity == nil {
		ids = ids[:1]
	}
	if err := s.writeRecipients(&keys{ids, []string{k.ids[0].Recipient().String()}}); err != nil {
		return err
	}
	if err := s.at("unnamed"); err != nil {
		return err
	}
	if s.identity != nil {
		return nil
	}
	return s.writeIdentities(ids)
}

func (s *Store) at(step string) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(step)
}
