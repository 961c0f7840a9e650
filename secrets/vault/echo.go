package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// What Vault says when it means more than its status does.
const (
	saysSealed    = "sealed"
	saysInvalid   = "invalid token"
	saysConflict  = "check-and-set parameter did not match"
	saysUpgrading = "Upgrading from non-versioned to versioned data"
	saysTLS       = "HTTP request to an HTTPS server"
)

// maxWords is the size in bytes that no list of errors of Vault reaches.
const maxWords = 4096

// sent are the secrets that a request carries. Something in front of Vault may repeat them in its answer, and what an
// answer says gets into errors and the log.
type sent []string

// carried returns what r carries: its token, and each text in its body that is not just a name.
func carried(r *http.Request) (sent, error) {
	list := sent{r.Header.Get("X-Vault-Token")}
	if r.Body == nil || r.Body == http.NoBody {
		return list, nil
	}
	if r.GetBody == nil {
		return nil, errors.New("the request cannot be read again")
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	var content any
	if err := json.NewDecoder(body).Decode(&content); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return list.with(content), nil
}

func (s sent) with(content any) sent {
	switch v := content.(type) {
	case map[string]any:
		for name, value := range v {
			if !slices.Contains([]string{"role", "role_id", "name"}, name) {
				s = s.with(value)
			}
		}
	case string:
		s = append(s, v)
		if plain, err := base64.StdEncoding.DecodeString(v); err == nil {
			s = append(s, string(plain))
		}
	}
	return s
}

// in reports whether text has a secret, or a piece of one: a page may be cut.
func (s sent) in(text string) bool {
	return slices.ContainsFunc(s, func(secret string) bool {
		size := min(len(secret), 12)
		for i := 0; size > 0 && i+size <= len(secret); i++ {
			if strings.Contains(text, secret[i:i+size]) {
				return true
			}
		}
		return false
	})
}

// clean is the body of an answer that is an error, without what Vault would not say. Of a 404 the data stays: a value
// that was deleted has its metadata there.
func (s sent) clean(body []byte) ([]byte, error) {
	var answer struct {
		Errors   []string        `json:"errors"`
		Data     json.RawMessage `json:"data,omitempty"`
		Warnings json.RawMessage `json:"warnings,omitempty"`
	}
	if len(body) == 0 {
		return nil, nil
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&answer); err != nil {
		return []byte(strings.Join(append([]string{"the answer is not Vault's own"}, known(string(body))...), ": ")), nil
	}
	if text := strings.Join(answer.Errors, "\n"); len(text) > maxWords || s.in(text) {
		answer.Errors = known(text)
	}
	return json.Marshal(answer)
}

// known is what is left of a text that may not be shown.
func known(text string) (list []string) {
	for _, phrase := range []string{saysSealed, saysInvalid, saysConflict, saysUpgrading, saysTLS} {
		if strings.Contains(text, phrase) {
			list = append(list, phrase)
		}
	}
	return list
}

// cleanAnswer replaces the body of an answer that is an error.
func (s sent) cleanAnswer(resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	if body, err = s.clean(body); err != nil {
		return err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}

// cleanError replaces an error that shows what came instead of HTTP.
func (s sent) cleanError(err error) error {
	if s.in(err.Error()) {
		return errors.New("the answer is no HTTP")
	}
	return err
}
