from registro.cli import main

main(prog_name="registro")
