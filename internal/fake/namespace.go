package fake

// nsRoot is where processes with a mount namespace of their own find the whole
// directory of their sandbox. The name begins with a dot so that `ls /home`
// shows what it shows on E2B.
const nsRoot = "/home/.sandbox"
