// Package frontendv1 is version 1 of the protocol between the core and its
// front-ends: the messages, and their conversion to and from the types of
// package gitops. The messages are generated from frontend.proto by
// generate.sh.
//
// What comes from the other side is not trusted: the conversions check it.
package frontendv1

// How a front-end's process and the core meet. The values are those of
// go-plugin's handshake and broker, and part of the protocol.
const (
	// Version is the version of the protocol, and Plugin the name under
	// which it is served.
	Version = 1
	Plugin  = "frontend"
	// CookieKey and CookieValue are an environment variable that tells a
	// front-end that it was started by the core. It is no secret.
	CookieKey   = "TIDEBOT_FRONTEND"
	CookieValue = "shall-we-deploy"
	// CoreBroker is the broker's ID of the connection to CoreService.
	CoreBroker = 1
	// MaxMessage is the size in bytes up to which either side receives a
	// message.
	MaxMessage = 4 << 20
)
