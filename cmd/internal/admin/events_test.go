package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth/oauthtest"
)

func TestAStreamBeginsWithEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, plain("b"), plain("a"))
		happen(w.Live, "a", engine.TokenFailed)
		w.Live.Reloaded(config.Changes{{Action: config.Add, Server: "a"}})
		p := w.open()
		defer p.close()
		e := w.expect(p, "state")[0].data
		if e["version"] != "1.2.3" || e["can_make"] != true || e["why_not"] != nil || e["now"] != time.Now().Format(time.RFC3339Nano) {
			t.Errorf("%v", e)
		}
		if c := e["config"].(map[string]any); c["digest"] != "d1" || len(c["changes"].([]any)) != 1 {
			t.Errorf("%v", c)
		}
		servers := e["servers"].([]any)
		if len(servers) != 2 || servers[0].(map[string]any)["name"] != "a" || len(servers[0].(map[string]any)["history"].([]any)) != 1 {
			t.Errorf("%v", servers)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no",
		} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
	})
}

func TestAStreamSaysWhyNothingCanBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		w.CanMake = func() error { return errors.New("set conf_dir") }
		p := w.open()
		e := w.expect(p, "state")[0].data
		p.close()
		if e["can_make"] != false || e["why_not"] != "set conf_dir" || len(e["servers"].([]any)) != 0 {
			t.Errorf("%v", e)
		}
		w.Edit = nil
		p = w.open()
		defer p.close()
		if e := w.expect(p, "state")[0].data; e["can_make"] != false || !strings.Contains(e["why_not"].(string), "no daemon") {
			t.Errorf("%v", e)
		}
	})
}

// Many events of one server are few on the stream, and the last one is never lost.
func TestEventsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, plain("a"), plain("quiet"))
		p := w.open()
		defer p.close()
		w.expect(p, "state")
		happen(w.Live, "a", engine.TokenAcquired)
		w.expect(p, "server a") // at once
		for range 1000 {
			happen(w.Live, "a", engine.TokenFailed)
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(eventsApart)
		synctest.Wait()
		list := p.events(t)
		if n := len(list); n < 45 || n > 52 {
			t.Errorf("%d events in ten seconds", n)
		}
		history := list[len(list)-1].data["history"].([]any)
		if len(history) != maxPoints || history[maxPoints-1].(map[string]any)["at"] != time.Now().Add(-eventsApart-10*time.Millisecond).Format(time.RFC3339Nano) {
			t.Errorf("the newest is %v", history[maxPoints-1])
		}
		time.Sleep(time.Minute)
		w.expect(p)
	})
}

// A client that does not read holds nobody up, gets the newest afterwards, and is given up when it never reads.
func TestAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, plain("a"), plain("b"))
		p := w.open()
		w.expect(p, "state")
		p.mu.Lock()
		p.hang = make(chan struct{})
		p.mu.Unlock()
		for range 10_000 {
			happen(w.Live, "a", engine.TokenFailed)
			happen(w.Live, "b", engine.TokenFailed)
		}
		synctest.Wait() // it hangs in its first event
		if p.deadline != time.Now().Add(writeWithin) {
			t.Errorf("it may hang until %s", p.deadline)
		}
		happen(w.Live, "gone", engine.TokenRevoked)
		time.Sleep(5 * time.Second)
		w.reload(plain("b"))
		w.Live.Reloaded(nil)
		hang := p.hang
		p.mu.Lock()
		p.hang = nil
		p.mu.Unlock()
		close(hang)
		synctest.Wait()
		time.Sleep(time.Second)
		got := names(p.events(t))
		if len(got) > 7 || !slices.Contains(got, "gone a") || !slices.Contains(got, "reload") {
			t.Errorf("afterwards it is told %v", got)
		}
		p.mu.Lock()
		p.err = os.ErrDeadlineExceeded
		p.mu.Unlock()
		happen(w.Live, "b", engine.TokenFailed)
		<-p.ended
		if len(w.Live.readers) != 0 {
			t.Error("its stream is still there")
		}
	})
}

// What changes without an event is noticed within a second, and what does not change is not told.
func TestAStreamLooksForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, plain("a"), plain("b"))
		p := w.open()
		defer p.close()
		w.expect(p, "state")
		w.upstream.Store("a", "")
		time.Sleep(10 * time.Second)
		w.expect(p)
		w.upstream.Store("a", "HTTP 500")
		time.Sleep(lookEvery)
		w.expect(p, "server a")
		w.upstream.Store("a", "")
		time.Sleep(lookEvery)
		w.expect(p, "server a")
		w.reload(plain("b"), plain("c"))
		time.Sleep(lookEvery)
		w.expect(p, "server c", "gone a")
	})
}

// A token goes from valid over expiring to expired by the clock alone.
func TestTheLifeOfATokenIsTold(t *testing.T) {
	as := plainServer(t)
	as.SetLifetime(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, granted(as, "a"))
		p := w.open()
		defer p.close()
		source, err := w.Engine.Source("a")
		if err == nil {
			_, err = source.Token(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		p.events(t)
		for _, want := range []struct {
			status string
			after  time.Duration
		}{{"expiring", 55 * time.Minute}, {"expired", 5 * time.Minute}} {
			time.Sleep(want.after)
			w.expect(p, "server a")
			if st := source.Status().Status; st != want.status {
				t.Errorf("it is %s, not %s", st, want.status)
			}
		}
	})
}

func TestReloadsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, plain("a"), plain("b"), plain("c"))
		p := w.open()
		defer p.close()
		w.expect(p, "state")

		w.reloads.Store(&Reload{Digest: "d1", Error: "bearerd.hcl:3: no"})
		w.Live.Reloaded(nil)
		if e := w.expect(p, "reload")[0].data; e["error"] != "bearerd.hcl:3: no" || e["changes"] != nil {
			t.Errorf("%v", e)
		}
		time.Sleep(eventsApart)

		other := plain("b")
		other.URL += "/other"
		w.reloads.Store(&Reload{Digest: "d2", Generation: 1})
		w.Live.Reloaded(w.reload(plain("a"), other, plain("new")))
		if e := w.expect(p, "reload", "server b", "server new", "gone c")[0].data; e["error"] != nil || len(e["changes"].([]any)) != 3 {
			t.Errorf("%v", e)
		}
		time.Sleep(eventsApart)

		w.Live.Reloaded(config.Changes{{Action: config.Modify, Block: "proxy"}})
		w.expect(p, "reload", "server a", "server b", "server new")
		time.Sleep(eventsApart)

		happen(w.Live, "b", engine.TokenAcquired)
		w.expect(p, "server b") // the rest was told
	})
}

func TestAStreamStaysAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		p := w.open()
		defer p.close()
		w.expect(p, "state")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := p.text.String(); got != strings.Repeat(": alive\n\n", 4) {
			t.Errorf("%q", got)
		}
	})
}

func TestTheEndOfTheDaemonEndsEveryStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		one, two := w.open(), w.open()
		w.Live.Close()
		w.Live.Close()
		<-one.ended
		<-two.ended
		late := w.open()
		<-late.ended
		if late.status != http.StatusServiceUnavailable {
			t.Errorf("a stream began afterwards: %d %s", late.status, late.text.String())
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t)
		var open []*page
		for range maxReaders {
			open = append(open, w.open())
		}
		refused := w.open()
		<-refused.ended
		var problem Problem
		if err := json.Unmarshal(refused.text.Bytes(), &problem); err != nil || refused.status != http.StatusServiceUnavailable || problem.Error == "" {
			t.Errorf("%d %s", refused.status, refused.text.String())
		}
		open[0].close()
		open[0] = w.open()
		w.expect(open[0], "state")
		for _, p := range open {
			p.close()
		}
	})
}

func TestNoStreamWithoutADaemonOrABody(t *testing.T) {
	w := watch(t)
	answer := httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodHead, "/api/events", http.NoBody))
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "text/event-stream" || answer.Body.Len() != 0 {
		t.Errorf("HEAD: %d %s", answer.Code, answer.Body)
	}
	w.Live = nil
	answer = httptest.NewRecorder()
	w.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/api/events", http.NoBody))
	if answer.Code < 400 || answer.Code > 499 || !strings.Contains(answer.Body.String(), "no daemon") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
}

// Over a real connection: what happens to a token is on the stream, the token is not, and a stop of the server does not wait.
func TestAStreamOverHTTP(t *testing.T) {
	as := plainServer(t)
	w := watch(t, granted(as, "a"))
	front := httptest.NewServer(w.Handler())
	defer front.Close()
	answer, err := http.Get(front.URL + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	source, err := w.Engine.Source("a")
	if err != nil {
		t.Fatal(err)
	}
	token, err := source.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Second, w.Live.Close)
	var text strings.Builder
	for b := make([]byte, 4096); ; {
		n, err := answer.Body.Read(b)
		text.Write(b[:n])
		if strings.Contains(text.String(), token.Access().Fingerprint()) {
			break
		}
		if err != nil {
			t.Fatalf("%v after %s", err, &text)
		}
	}
	if strings.Contains(text.String(), token.Access().Reveal()) || strings.Contains(text.String(), "s3cret") {
		t.Error("the stream holds a secret")
	}
	w.Live.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := front.Config.Shutdown(ctx); err != nil {
		t.Errorf("the stop waited for the stream: %v", err)
	}
}

// The look at 1,000 servers that happens each second.
func BenchmarkLook(b *testing.B) {
	as, err := oauthtest.NewPlain()
	if err != nil {
		b.Fatal(err)
	}
	defer as.Close()
	var servers []*config.Server
	for i := range 1000 {
		servers = append(servers, granted(as, fmt.Sprint("s", i)))
	}
	w := watch(b, servers...)
	s := &stream{api: w.API, w: httptest.NewRecorder(), told: map[string]glance{}}
	s.out = http.NewResponseController(s.w)
	if err := s.look(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.look(); err != nil {
			b.Fatal(err)
		}
	}
}
