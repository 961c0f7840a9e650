package sealed

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"filippo.io/age"

	"bearerd/secrets"
)

const (
	recordExt = ".age"
	maxFile   = 1 << 20 // bytes; the largest record is a tenth of it
)

// record is the plaintext of a file. The key is in it, so that a file under another's name is noticed.
type record struct {
	Key   string           `json:"key"`
	Rev   secrets.Revision `json:"rev"` // fresh for each write, kept by Rekey
	Value []byte           `json:"value"`
}

func newRecord(key string, value []byte) record {
	return record{Key: key, Rev: secrets.Revision(rand.Text()), Value: value}
}

// damage says that the content of a file is no record of ours. An error in reading the file is not damage.
type damage struct{ reason error }

func (d *damage) Error() string { return "the record is damaged: " + d.reason.Error() }
func (d *damage) Unwrap() error { return d.reason }

func isDamage(err error) bool {
	_, ok := errors.AsType[*damage](err)
	return ok
}

// hashed turns a key or a name, with whatever characters, into a file name.
func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

func (s *Store) recordPath(name string) string {
	return filepath.Join(s.dir, "records", name+recordExt)
}

// recordNames returns the names of the records, without folder and extension.
func (s *Store) recordNames() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "records"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), recordExt); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// load reads a record. One that cannot be opened is looked at again, with the identities of this moment and under the
// lock, before it counts as damaged: another process may have rekeyed the store.
func (s *Store) load(ctx context.Context, name string) (record, error) {
	r, err := s.read(name)
	if !isDamage(err) {
		return r, err
	}
	keysErr := s.refresh()
	if keysErr == nil {
		if r, err = s.read(name); !isDamage(err) {
			return r, err
		}
	}
	unlock, lockErr := s.lockStore(ctx)
	if lockErr != nil {
		if keysErr != nil {
			err = keysErr
		}
		return record{}, fmt.Errorf("%w; it cannot be set aside: %w", err, lockErr)
	}
	defer unlock()
	return s.loadLocked(name)
}

// loadLocked is load for a caller that holds the store lock. It alone sets records aside.
func (s *Store) loadLocked(name string) (record, error) {
	if err := s.refresh(); err != nil {
		return record{}, err
	}
	r, err := s.read(name)
	if !isDamage(err) {
		return r, err
	}
	if err := s.setAside(name, err); err != nil {
		return record{}, err
	}
	return record{}, secrets.ErrNotFound
}

func (s *Store) read(name string) (record, error) {
	sealed, err := readFile(s.recordPath(name))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, secrets.ErrNotFound
	}
	if err != nil {
		return record{}, err
	}
	r, err := s.keys.Load().unseal(sealed)
	if err != nil {
		return record{}, &damage{err}
	}
	if hashed(r.Key) != name {
		return record{}, &damage{fmt.Errorf("it holds the value of %q", r.Key)}
	}
	return r, nil
}

// write seals r and replaces its file. The caller holds the store lock.
func (s *Store) write(r record) error {
	if err := s.nameRecipient(); err != nil {
		return err
	}
	sealed, err := s.keys.Load().seal(r)
	if err != nil {
		return err
	}
	path := s.recordPath(hashed(r.Key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeFile(path, sealed)
}

func (s *Store) setAside(name string, why error) error {
	folder := filepath.Join(s.dir, "set-aside")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("%w; it cannot be set aside: %w", why, err)
	}
	now := time.Now().UTC().Format("20060102T150405.000000000Z")
	to := filepath.Join(folder, now+"-"+name+recordExt)
	if err := os.Rename(s.recordPath(name), to); err != nil {
		return fmt.Errorf("%w; it cannot be set aside: %w", why, err)
	}
	s.log.Warn("a stored record could not be read and was set aside", "file", to, "reason", why.Error(),
		"remedy", "a token is acquired again; store a secret again with `bearerd secret set`; where clients are refused from "+
			"now on, it held the root of their local keys: give them new ones with `bearerd client-config`")
	return nil
}

func (k *keys) seal(r record) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, k.ids[0].Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // it writes the last chunk
		return nil, err
	}
	return out.Bytes(), nil
}

func (k *keys) unseal(sealed []byte) (record, error) {
	ids := make([]age.Identity, len(k.ids))
	for i, id := range k.ids {
		ids[i] = id
	}
	in, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		return record{}, err
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(plain, &r); err != nil {
		return record{}, errors.New("it holds no JSON record") // the decoder's error might quote the value
	}
	if r.Rev == "" {
		return record{}, errors.New("it holds no revision")
	}
	return r, nil
}
