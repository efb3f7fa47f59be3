package gitopstest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// An HTTPServer serves a repository over Git's smart HTTP protocol, by git
// http-backend, and can be told to fail.
type HTTPServer struct {
	// URL is the address of the repository.
	URL string

	server *http.Server
	ended  chan struct{}

	mu             sync.Mutex
	user, password string
	requests       []string
	faults         []Fault
}

// A Fault makes one request fail.
type Fault struct {
	// On is the request that fails, as [HTTPServer.Requests] writes it; empty
	// means the next one whatever it is.
	On string
	// After lets the request have its effect first; what the server says of
	// it is lost.
	After bool
	// Delay is waited before the answer, or before the effect if not After.
	Delay time.Duration
	// Just one of the rest is set, or none, if the request is but slow.

	// Status is the HTTP status answered.
	Status int
	// Cut closes the connection without an answer.
	Cut bool
	// Empty answers 200 with nothing in it.
	Empty bool
	// Redirect answers 307 to this address.
	Redirect string
}

// ServeHTTP starts a server for a repository.
func ServeHTTP(r *Repository) (*HTTPServer, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("serve by HTTP: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve by HTTP: %w", err)
	}
	s := &HTTPServer{
		URL:   "http://" + listener.Addr().String() + "/" + filepath.Base(r.Dir),
		ended: make(chan struct{}),
	}
	backend := &cgi.Handler{
		Path: git,
		Args: []string{"http-backend"},
		Dir:  r.Dir,
		// It says there what it tells the client anyway.
		Stderr: io.Discard,
		Env:    append(gitEnv(), "GIT_PROJECT_ROOT="+filepath.Dir(r.Dir), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=test"),
	}
	s.server = &http.Server{Handler: s.handler(backend), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Close stops the server and cuts its connections.
func (s *HTTPServer) Close() error {
	err := s.server.Close()
	<-s.ended
	return err
}

// RequireAuth makes the server answer 401 to whoever does not bring these.
func (s *HTTPServer) RequireAuth(user, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.user, s.password = user, password
}

// Inject adds faults; each hits one request.
func (s *HTTPServer) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Requests returns the requests since the last call, and forgets them: the
// method and the service, such as "GET git-upload-pack".
func (s *HTTPServer) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.requests
	s.requests = nil
	return all
}

func (s *HTTPServer) handler(backend http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := r.URL.Query().Get("service")
		if service == "" {
			service = r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		}
		fault, allowed := s.take(r, r.Method+" "+service)
		if !allowed {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		if fault == nil {
			backend.ServeHTTP(w, r)
			return
		}
		if fault.After {
			backend.ServeHTTP(httptest.NewRecorder(), r)
		}
		select {
		case <-time.After(fault.Delay):
		case <-r.Context().Done():
			return
		}
		switch {
		case fault.Cut:
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		case fault.Empty:
			w.Header().Set("Content-Type", "application/x-"+service+"-result")
		case fault.Redirect != "":
			http.Redirect(w, r, fault.Redirect, http.StatusTemporaryRedirect)
		case fault.Status != 0:
			http.Error(w, "told to fail", fault.Status)
		case !fault.After:
			backend.ServeHTTP(w, r)
		}
	})
}

// take notes a request, and returns the fault that it is to suffer and whether
// it may be served at all.
func (s *HTTPServer) take(r *http.Request, name string) (*Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, name)
	if user, password, _ := r.BasicAuth(); s.user != "" && (user != s.user || password != s.password) {
		return nil, false
	}
	for i, f := range s.faults {
		if f.On == "" || f.On == name {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			return &f, true
		}
	}
	return nil, true
}
