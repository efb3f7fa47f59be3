package webhook_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidebot-dev/tidebot/vcs/github/webhook"
)

func Example() {
	secret := []byte("It's a Secret to Everybody")
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := webhook.Verify(r.Header, body, secret); err != nil {
			fmt.Println(err)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		event, err := webhook.Parse(r.Header, body)
		if err != nil {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		fmt.Println(event.Kind)
	}

	r := httptest.NewRequest("POST", "/", strings.NewReader("Hello, World!"))
	r.Header.Set("X-GitHub-Event", "ping")
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	handler(httptest.NewRecorder(), r)

	r = httptest.NewRequest("POST", "/", strings.NewReader("Hello, World?"))
	r.Header.Set("X-GitHub-Event", "ping")
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	handler(httptest.NewRecorder(), r)

	// Output:
	// ping
	// signature not accepted: none of 1 secrets has signed this
}
