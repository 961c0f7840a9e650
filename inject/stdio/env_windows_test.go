package stdio

import (
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// The case of a name says nothing: what env declares must not be lost to the token, nor a PATH of env be shown in an error.
func TestNamesIgnoreCase(t *testing.T) {
	s := &config.Server{Name: "search", OAuth: &config.OAuth{Enabled: true}}
	token := secrets.New("token")
	if _, err := ByEnv(s, token, map[string]secrets.Secret{"authorization": secrets.New("mine")}, nil); err == nil {
		t.Error("env declares what carries the token")
	}
	l, err := ByEnv(s, token, map[string]secrets.Secret{"Path": secrets.New(`C:\own`)}, []string{`path=C:\inherited`})
	if err != nil || l.env["PATH"].Reveal() != `C:\own` || l.ownPath {
		t.Errorf("the PATH of env: %+v, %v", l, err)
	}
}
