//! Small wheels.

use std::process::Command;

use camino::Utf8Path;

use super::{python, run, sha256};

const PACK: &str = "
import base64, hashlib, sys, zipfile
wheel, name, *members = sys.argv[1:]
rows = []
with zipfile.ZipFile(wheel, 'w', zipfile.ZIP_DEFLATED) as archive:
    def add(path, data):
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()
        rows.append(f'{path},sha256={digest},{len(data)}')
        archive.writestr(path, data)
    for path, source in zip(members[::2], members[1::2]):
        add(path, open(source, 'rb').read())
    info = f'{name}-1.0.dist-info'
    add(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.0\\n'.encode())
    add(f'{info}/WHEEL', b'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    archive.writestr(f'{info}/RECORD', '\\n'.join([*rows, f'{info}/RECORD,,', '']))
";

pub struct Wheel {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

impl Wheel {
    /// Packs members, each a path in the wheel and its content.
    pub fn pack(scratch: &Utf8Path, name: &'static str, members: &[(&str, &[u8])]) -> Self {
        let directory = scratch.join(name);
        fs_err::create_dir_all(&directory).unwrap();
        let wheel = directory.join("wheel");
        let mut command = Command::new(python());
        command.args(["-c", PACK, wheel.as_str(), name]);
        for (index, (path, content)) in members.iter().enumerate() {
            let source = directory.join(index.to_string());
            fs_err::write(&source, content).unwrap();
            command.args([path, source.as_str()]);
        }
        run(&mut command).expect(0);
        Self { name, bytes: fs_err::read(&wheel).unwrap() }
    }

    pub fn file(&self) -> String {
        format!("{}-1.0-py3-none-any.whl", self.name)
    }

    pub fn metadata(&self) -> String {
        format!("Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n", self.name)
    }

    /// An entry of `models.toml` for one of its members.
    pub fn entry(&self, member: &str) -> String {
        format!(
            "\n[[model.file.wheel]]\nname = \"{}\"\nsize = {}\nsha256 = \"{}\"\nmember = \"{member}\"\n",
            self.file(),
            self.bytes.len(),
            sha256(&self.bytes)
        )
    }
}
