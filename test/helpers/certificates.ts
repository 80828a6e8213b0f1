import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** PEM files of one authority, of a server on 127.0.0.1 and of a client, and of an authority that nobody trusts. */
export interface Certificates {
  ca: string;
  server: { cert: string; key: string };
  client: { cert: string; key: string };
  strangerCa: string;
}

/** Makes them with openssl, for a day. */
export function makeCertificates(directory: string): Certificates {
  mkdirSync(directory, { recursive: true });
  const path = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  const authority = (name: string): string => {
    const more = ['-days', '1', '-subj', `/CN=${name}`, '-addext', 'keyUsage=critical,keyCertSign'];
    openssl('req', '-x509', ...newKey(path(`${name}.key`)), ...more, '-out', path(`${name}.pem`));
    return path(`${name}.pem`);
  };
  const leaf = (name: string, extension: string): { cert: string; key: string } => {
    const [key, cert, request] = [path(`${name}.key`), path(`${name}.pem`), path(`${name}.csr`)];
    writeFileSync(path(`${name}.ext`), extension);
    openssl('req', ...newKey(key), '-subj', `/CN=${name}`, '-out', request);
    const by = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, ...by, '-days', '1', '-extfile', path(`${name}.ext`), '-out', cert);
    return { cert, key };
  };
  const ca = authority('ca');
  return {
    ca,
    server: leaf('server', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n'),
    client: leaf('client', 'extendedKeyUsage=clientAuth\n'),
    strangerCa: authority('stranger'),
  };
}

function newKey(path: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path];
}
