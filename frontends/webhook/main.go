// The webhook front-end of Tidebot: it hears what providers post.
//
// It is started by the program tidebot, which hands it the listening socket
// and the webhooks' secrets; it holds no token. What it does is in package
// receiver.
package main

import (
	"github.com/tidebot-dev/tidebot/frontends/webhook/receiver"
	"github.com/tidebot-dev/tidebot/gitops/frontend"
)

func main() { frontend.Main("webhook", receiver.New()) }
