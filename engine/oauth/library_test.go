package oauth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"bearerd/config"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// fetch asks x/oauth2 for a token, with rt as the network.
func fetch(style oauth2.AuthStyle, rt http.RoundTripper) (*oauth2.Token, error) {
	conf := clientcredentials.Config{ClientID: "id", ClientSecret: "s", TokenURL: "https://a.example/t", AuthStyle: style}
	return conf.Token(context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: rt}))
}

func response(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// These hold what we rely on, or guard against, in x/oauth2: a new release that changes it fails here.

func TestLibraryKeepsTheErrorOfARoundTripper(t *testing.T) {
	want := &Error{Op: opToken, Code: "x"}
	calls := 0
	_, err := fetch(oauth2.AuthStyleInHeader, roundTrip(func(*http.Request) (*http.Response, error) {
		calls++
		return nil, want
	}))
	if got, ok := errors.AsType[*Error](err); !ok || got != want || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}

func TestLibraryAsksTwiceWithoutAnAuthStyle(t *testing.T) {
	calls := 0
	_, _ = fetch(oauth2.AuthStyleAutoDetect, roundTrip(func(*http.Request) (*http.Response, error) {
		calls++
		return nil, errors.New("down")
	}))
	if calls != 2 {
		t.Errorf("%d calls: an explicit AuthStyle is no longer needed?", calls)
	}
}

func TestLibraryMakesUpARefreshToken(t *testing.T) {
	conf := clientcredentials.Config{
		TokenURL: "https://a.example/t", AuthStyle: oauth2.AuthStyleInHeader, EndpointParams: url.Values{"refresh_token": {"sent"}},
	}
	rt := roundTrip(func(*http.Request) (*http.Response, error) {
		return response(200, "application/json", `{"access_token":"a","refresh_token":""}`), nil
	})
	token, err := conf.Token(context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: rt}))
	if err != nil || token.RefreshToken != "sent" {
		t.Errorf("%q, %v: reading it from the answer is no longer needed?", token.RefreshToken, err)
	}
}

func TestLibraryErrorsShowTheBody(t *testing.T) {
	_, err := fetch(oauth2.AuthStyleInHeader, roundTrip(func(*http.Request) (*http.Response, error) {
		return response(503, "text/html", "<p>canary"), nil
	}))
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || !strings.Contains(e.Error(), "canary") {
		t.Errorf("error %v: judging failures before x/oauth2 does is no longer needed?", err)
	}
}

func TestLibraryMisreadsAnswers(t *testing.T) {
	for _, test := range []struct{ contentType, body string }{
		{"text/plain", `{"access_token":"a"}`},
		{"application/json", `{"access_token":"a","expires_in":3599.5}`},
		{"application/json", `{"access_token":"a","expires_in":99999999999999999999}`},
	} {
		if _, err := fetch(oauth2.AuthStyleInHeader, roundTrip(func(*http.Request) (*http.Response, error) {
			return response(200, test.contentType, test.body), nil
		})); err == nil {
			t.Errorf("%s is read: normalising it is no longer needed?", test.body)
		}
	}
}

func TestTimeoutOfOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		w := &wire{op: opToken, id: "id", log: slog.New(slog.DiscardHandler), base: hang, header: http.Header{}}
		start := time.Now()
		_, err := fetch(oauth2.AuthStyleInHeader, w)
		e := w.asError(err, "")
		want := "OAuth token request failed: a.example: timed out after 10s (correlation_id=id)"
		if e.Error() != want || e.Final || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), e)
		}
	})
}

func TestTLSConfigWithoutConfiguration(t *testing.T) {
	for _, c := range []*config.OAuth{nil, {}} {
		conf, err := TLSConfig(t.Context(), c, nil)
		if err != nil || conf.RootCAs != nil || conf.GetClientCertificate != nil {
			t.Errorf("%v, %v", conf, err)
		}
	}
}
