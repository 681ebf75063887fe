#!/bin/sh
# Makes a certificate authority for tests and, signed by it, a certificate for localhost and
# mail.example.test:  sh certs/make-dev-certs.sh FOLDER
#
# FOLDER gets test-ca.pem, test-ca.key, test-server.pem (leaf, then CA) and test-server.key. An
# existing authority is kept, so that the clients that trust it need nothing new.
set -eu

[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
command -v openssl >/dev/null 2>&1 || { echo "$0 needs the Debian package openssl" >&2; exit 1; }
mkdir -p "$1"
cd "$1"
umask 077
days=36500

if [ ! -f test-ca.key ] || [ ! -f test-ca.pem ]; then
    openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out test-ca.key
    openssl req -new -x509 -sha256 -days "$days" -key test-ca.key -out test-ca.pem \
        -subj "/O=TEST ONLY, NOT SECRET/CN=Gatepost test CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign"
fi

openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out test-server.key
cat >leaf.part <<END
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName=DNS:localhost,DNS:mail.example.test,DNS:*.example.test,IP:127.0.0.1,IP:::1
END
openssl req -new -sha256 -key test-server.key -subj "/O=TEST ONLY, NOT SECRET/CN=mail.example.test" -out request.part
openssl x509 -req -sha256 -days "$days" -in request.part -extfile leaf.part \
    -CA test-ca.pem -CAkey test-ca.key -set_serial "0x$(openssl rand -hex 15)" -out server.part 2>/dev/null
cat server.part test-ca.pem >test-server.pem
rm leaf.part request.part server.part
chmod 644 test-ca.pem test-server.pem
